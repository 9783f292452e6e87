//! A client that numbers its writes: each is carried out once, whichever servers are lost meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client::{Client, Get, Options, Put};

use crate::program::{tool, until};
use crate::server::{Three, until_all_is_well};

/// Writes the same key again and again until it is told to stop; answers how often.
async fn write(client: Client, key: String, stop: Arc<AtomicBool>, all: Arc<AtomicU64>) -> u64 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        // Killed servers included, nothing is ever left unknown.
        client.put(Put::new(key.clone(), count.to_string())).await.unwrap();
        all.fetch_add(1, Ordering::Relaxed);
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_writes_are_carried_out_once_whichever_servers_are_lost() {
    let mut three = Three::start().await;
    let at = three.servers[0].client.clone();
    tool(&at, &["keyspace", "create", "wide", "--sharded", "--split-at", "m"]).well();
    until_all_is_well(&three.endpoints().join(","));
    let (stop, all) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = Vec::new();
    for writer in 0..6 {
        let mut endpoints = three.endpoints();
        endpoints.rotate_left(writer % 3);
        let options =
            Options { exactly_once: true, timeout: Duration::from_secs(40), ..Options::default() };
        let client = Client::connect(endpoints, options).await.unwrap();
        let client = if writer < 3 { client } else { client.in_keyspace("wide").unwrap() };
        let key = format!("{}{writer}", if writer == 4 { "p" } else { "a" });
        let (stop, all) = (Arc::clone(&stop), Arc::clone(&all));
        let task = tokio::spawn(write(client.clone(), key.clone(), stop, all));
        writers.push((client, key, task));
    }
    let progress = |more: u64| {
        let begin = all.load(Ordering::Relaxed);
        until("writes are acknowledged", || all.load(Ordering::Relaxed) >= begin + more);
    };
    for _ in 0..4 {
        progress(200);
        // With -9, in the middle of what it was asked for.
        let leader = three.leader().await;
        three.servers[leader].kill();
        progress(50);
        three.start_one(leader);
        three.servers[leader].serves().await;
    }
    progress(50);
    stop.store(true, Ordering::Relaxed);
    for (client, key, task) in writers {
        let written = task.await.unwrap();
        let kv = client.get(Get::key(key.clone())).await.unwrap().kvs.remove(0);
        assert_eq!(
            (kv.version, kv.value),
            (i64::try_from(written).unwrap(), written.to_string().into())
        );
    }
}
