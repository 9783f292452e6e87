//! Members that go while clients are at work.

use std::time::Duration;

use client::{Client, Options, Put, Watch};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use tokio::time::timeout;

use super::cluster::{channel, in_front_of, members};

/// Every put that was answered is there once; a watch that goes on misses nothing and tells nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_killed_costs_no_event_and_no_answered_write() {
    let mut members = members(3).await;
    let address = in_front_of(&members).await;
    let clients: Vec<Client> =
        futures::future::join_all((0..3).map(|_| async {
            Client::connect([address.as_str()], Options::default()).await.unwrap()
        }))
        .await;
    let mut watchers = Vec::new();
    for client in &clients {
        watchers.push(client.watch(Watch::prefix("k/").from_revision(1)).await.unwrap());
    }
    let mut answered = Vec::new();
    for number in 0..60 {
        if number == 20 {
            members.remove(0).kill().await;
        }
        let key = format!("k/{number:02}");
        // Who is told that the outcome is not known asks again, as programs do.
        let client = &clients[number % clients.len()];
        for _ in 0..50 {
            if client.put(Put::new(key.clone(), "1")).await.is_ok() {
                answered.push(key);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(answered.len(), 60);
    let mut kv = KvClient::new(channel(&address).await);
    let range = pb::RangeRequest {
        key: "k/".into(),
        range_end: "k0".into(),
        ..pb::RangeRequest::default()
    };
    let found = kv.range(range).await.unwrap().into_inner();
    assert_eq!(found.count, 60);
    let last = found.kvs.iter().map(|kv| kv.mod_revision).max().unwrap();
    for watcher in &mut watchers {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|revision| *revision < last) {
            let changes = timeout(Duration::from_secs(20), watcher.next()).await.unwrap().unwrap();
            seen.extend(changes.changes.iter().map(|event| event.kv.mod_revision));
        }
        let mut once = seen.clone();
        once.dedup();
        assert_eq!(seen, once, "told twice");
        assert!(seen.is_sorted(), "out of order: {seen:?}");
        assert!(seen.len() >= 60, "{} events", seen.len());
    }
}

/// A read changes nothing: whoever asks while its member goes is answered by another one.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_while_a_member_is_there() {
    let mut members = members(3).await;
    let address = in_front_of(&members).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut readers = Vec::new();
    for _ in 0..12 {
        let (mut kv, stopped) = (KvClient::new(channel(&address).await), stopped.clone());
        readers.push(tokio::spawn(async move {
            let mut count = 0;
            while !*stopped.borrow() {
                let range = pb::RangeRequest {
                    key: "k".into(),
                    serializable: true,
                    ..pb::RangeRequest::default()
                };
                kv.range(range).await.unwrap();
                count += 1;
            }
            count
        }));
    }
    while members.len() > 1 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        members.remove(0).kill().await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send_replace(true);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
