//! How fresh answers are, as clients ask for it and are told.

use std::time::Duration;

use client::{Age, Client, Get, Operation, Options, Put, Read, Txn};
use types::Code;

use crate::program::{tool, until};
use crate::server::{Three, place};

fn options() -> Options {
    Options { rounds: 1, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_as_fresh_as_asked_for_and_say_how_old_they_are() {
    let mut three = Three::start().await;
    let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
    client.put(Put::new("a", "1")).await.unwrap();
    for endpoint in three.endpoints() {
        let client = Client::connect([endpoint.as_str()], options()).await.unwrap();
        for read in [Read::Linearizable, Read::Lease, Read::Follower] {
            let records = client.get(Get::key("a").read(read)).await.unwrap();
            assert_eq!((&records.kvs[0].value[..], records.age), (&b"1"[..], None), "{read:?}");
            let get = Txn::new().read(read).then([Operation::Get("a".into())]);
            assert_eq!(client.txn(get).await.unwrap().age, None, "{read:?}");
        }
        let applied = client.barrier(&endpoint).await.unwrap();
        assert_eq!((applied.revision, applied.applied > 0), (2, true));
        for read in [Read::Stale, Read::StaleWithin(Duration::from_secs(600))] {
            let records = client.get(Get::key("a").read(read)).await.unwrap();
            assert_eq!(records.kvs[0].value, "1");
            assert!(matches!(records.age, Some(Age::Known(_))), "{:?}", records.age);
        }
        let told = tool(&endpoint, &["kv", "get", "a", "--read", "stale"]).well();
        assert!(told.contains("the server was caught up "), "{told}");
        let confirmed = tool(&endpoint, &["kv", "get", "a", "--read", "lease"]).well();
        assert!(!confirmed.contains("caught up"), "{confirmed}");
    }
    let verified = client.verify_leader().await.unwrap();
    assert_eq!(place(verified.leader), three.leader().await);

    // The last one is alone: its answers get older, and say so.
    three.servers[0].kill();
    three.servers[1].kill();
    let alone = three.servers[2].client.clone();
    let client = Client::connect([alone.as_str()], options()).await.unwrap();
    let mut last = Duration::ZERO;
    for _ in 0..3 {
        let records = client.get(Get::key("a").read(Read::Stale)).await.unwrap();
        let Some(Age::Known(age)) = records.age else { panic!("{:?}", records.age) };
        assert!(age >= last, "{age:?} after {last:?}");
        last = age;
    }
    let within = Read::StaleWithin(Duration::from_millis(1));
    until("too old an answer", || {
        let got = ["kv", "get", "a", "--read", "stale", "--max-stale", "1ms"];
        tool(&alone, &got).code == 5
    });
    let refused = client.get(Get::key("a").read(within)).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TooStale), "{refused}");
    assert!(refused.to_string().contains("the request takes 1 ms"), "{refused}");
    let json = tool(&alone, &["kv", "get", "a", "--read", "stale", "--output", "json"]).json();
    assert!(json["stale_millis"].as_u64().unwrap() >= 1, "{json}");
    tool(&alone, &["kv", "get", "a", "--read", "lease", "--timeout", "2s"]).failed(5);
    tool(&alone, &["kv", "get", "a", "--max-stale", "1s"]).failed(2);
}
