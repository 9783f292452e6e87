//! Those who want a lock, and stand in its line.

use std::time::Duration;

use client::{Client, Error, Get, HeldLock, KeyValue, Lock, SortBy};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::program::DEADLINE;

/// Long enough for whoever can have it to have it, on machines that test.
pub(crate) const SOON: Duration = Duration::from_millis(300);

pub(crate) async fn take(client: &Client, lock: &Lock) -> Result<HeldLock, Error> {
    let held = client.hold(lock, tokio::time::sleep(DEADLINE)).await?;
    Ok(held.unwrap())
}

/// Those who stand in the line, in their order.
pub(crate) async fn line(client: &Client, name: &str) -> Vec<KeyValue> {
    let all = Get::prefix(format!("{name}/")).ascending(SortBy::Create);
    client.get(all).await.unwrap().kvs
}

/// Waits until so many stand there.
pub(crate) async fn stand(client: &Client, name: &str, count: usize) {
    while line(client, name).await.len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody who wants it, and stands in the line already, as number `count`.
pub(crate) async fn stands(
    client: &Client,
    lock: &Lock,
    name: &str,
    count: usize,
) -> JoinHandle<HeldLock> {
    let (own, lock) = (client.clone(), lock.clone());
    let waiting = tokio::spawn(async move { take(&own, &lock).await.unwrap() });
    stand(client, name, count).await;
    waiting
}

/// Whether it still does.
pub(crate) async fn waits(waiting: &mut JoinHandle<HeldLock>) -> bool {
    timeout(SOON, waiting).await.is_err()
}

/// It has it, in time.
pub(crate) async fn in_time(waiting: JoinHandle<HeldLock>) -> HeldLock {
    timeout(DEADLINE, waiting).await.unwrap().unwrap()
}
