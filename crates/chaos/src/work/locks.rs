//! Locks that clients take in turn, each with a counter that its holder adds to without a look at what is
//! there meanwhile: two holders at a time would lose an addition.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use client::{Client, Get, HeldLock, Operation, Put, Txn};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{LOCKED, client_of, number_of, value_of};
use crate::ledger::{Kind, Ledger, Outcome};
use crate::servers::Servers;

/// Locks, and clients for each.
const LOCKS: usize = 2;
const CLIENTS: usize = 3;
const TTL_SECONDS: i64 = 5;
/// What is done by one holder.
const ADDITIONS: usize = 5;
/// How long one waits in line before it stands there anew.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Locks(Vec<JoinHandle<()>>);

impl Locks {
    pub(super) fn begin(servers: &Servers, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for number in 0..LOCKS * CLIENTS {
            let client = client_of(servers, number)?;
            let (lock, ledger) = (number % LOCKS, Arc::clone(ledger));
            all.push(tokio::spawn(async move {
                while !ledger.is_stopped() {
                    turn(&client, &ledger, lock).await;
                }
            }));
        }
        Ok(Self(all))
    }

    pub(super) async fn end(self) -> anyhow::Result<()> {
        for client in self.0 {
            if timeout(super::ENDING + PATIENCE, client).await.is_err() {
                bail!("a client of locks has no answer after the faults ended");
            }
        }
        Ok(())
    }
}

/// One turn at a lock. Who held it before this began had a lower token.
async fn turn(client: &Client, ledger: &Ledger, lock: usize) {
    let name = format!("lock-of-chaos/{lock}");
    let before = ledger.fences.lock().get(&lock).copied().unwrap_or(0);
    let held = match client.lock(name, TTL_SECONDS, PATIENCE).await {
        Ok(held) => held,
        Err(error) => {
            ledger.failed(Kind::Lock, &error);
            return;
        }
    };
    ledger.count(Kind::Lock, Outcome::Acknowledged);
    let fence = held.fence();
    if fence <= before {
        ledger.violation(format!("lock {lock}: token {fence} after {before}"));
    }
    ledger.fences.lock().entry(lock).and_modify(|most| *most = fence.max(*most)).or_insert(fence);
    for _ in 0..ADDITIONS {
        if ledger.is_stopped() || !add(client, ledger, lock, &held).await {
            break;
        }
    }
    // One that is not given back is free when its time is over.
    if let Err(error) = held.unlock().await {
        ledger.failed(Kind::Unlock, &error);
    }
}

/// Adds one; whether to go on. After an addition whose outcome is not known the next one could be the same.
async fn add(client: &Client, ledger: &Ledger, lock: usize, held: &HeldLock) -> bool {
    let key = format!("{LOCKED}{lock}");
    let found = match client.get(Get::key(key.clone())).await {
        Ok(found) => found,
        Err(error) => {
            ledger.failed(Kind::LockedGet, &error);
            return false;
        }
    };
    let Some(count) = found.kvs.first().map_or(Some(0), |kv| number_of(&kv.value)) else {
        ledger.violation(format!("{key} has a value that nobody wrote"));
        return false;
    };
    let put = Put::new(key.clone(), value_of(count + 1));
    let txn = Txn::new().when([held.guard()]).then([Operation::Put(put)]);
    match client.txn(txn).await {
        Ok(done) if done.succeeded => {
            ledger.count(Kind::LockedAdd, Outcome::Acknowledged);
            ledger.write(&key, count + 1, Outcome::Acknowledged, done.revision);
            ledger.counters.lock().entry(key).or_default().acknowledged += 1;
            true
        }
        Ok(_) => {
            ledger.count(Kind::LockedAdd, Outcome::Conflict);
            false
        }
        Err(error) => {
            if ledger.failed(Kind::LockedAdd, &error) == Outcome::Unknown {
                ledger.counters.lock().entry(key).or_default().unknown += 1;
            }
            false
        }
    }
}
