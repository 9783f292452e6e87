//! The native client's operations on keys, over regions that split, straight to whoever leads them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Get, Operation, Options, Put, Read, Span, Swap, Txn, Write};
use futures::future::join_all;
use types::Code;

use crate::program::tool;
use crate::server::{Single, Three, place};

fn options(keyspace: &str, direct: bool) -> Options {
    Options { keyspace: Some(keyspace.to_owned()), direct, ..Options::default() }
}

fn key(at: usize) -> Bytes {
    Bytes::from(format!("{at:04}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_whole_in_a_region_and_told_for_each() {
    let single = Single::start().await;
    let at = single.server.client.clone();
    let create = ["keyspace", "create", "wide", "--sharded", "--split-at", "0100"];
    tool(&at, &[&create[..], &["--split-at", "0200"]].concat()).well();
    let client = Client::connect([at.as_str()], options("wide", true)).await.unwrap();

    // A batch of 300 keys in three regions; of the same key twice the last counts.
    let puts = (0..300).map(|at| Write::Put(Put::new(key(at), key(at))));
    let parts =
        client.write_batch([Write::Put(Put::new(key(7), "lost"))].into_iter().chain(puts)).await;
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.outcome.is_ok() && part.keys.len() == 100), "{parts:?}");
    let asked = [250, 7, 999, 150].map(key);
    let found = client.multi_get(asked, Read::Linearizable).await.unwrap();
    let found: Vec<_> = found.iter().map(|kv| kv.as_ref().map(|kv| kv.value.clone())).collect();
    assert_eq!(found, [Some(key(250)), Some(key(7)), None, Some(key(150))]);
    assert!(client.contains(key(1)).await.unwrap() && !client.contains("x").await.unwrap());

    assert_eq!(client.put_if_absent("x", "1").await.unwrap(), None);
    assert_eq!(client.put_if_absent("x", "2").await.unwrap().unwrap().value, "1");
    assert_eq!(client.get_and_put("x", "2").await.unwrap().unwrap().value, "1");
    let swap = |expected: &'static str, value| {
        client.compare_and_put("x", Some(Bytes::from(expected)), value)
    };
    let Swap::Differs(found) = swap("1", "3").await.unwrap() else { panic!("it was 2") };
    assert_eq!(found[0].as_ref().unwrap().value, "2");
    assert!(matches!(swap("2", "3").await.unwrap(), Swap::Done(_)));
    let entry = |at: usize, new: &'static str| (key(at), Some(key(at)), Bytes::from(new));
    let both = client.compare_and_put_all([entry(1, "a"), entry(2, "b")]).await.unwrap();
    assert!(matches!(both, Swap::Done(_)));
    let neither = client.compare_and_put_all([entry(3, "a"), entry(2, "c")]).await.unwrap();
    assert!(matches!(neither, Swap::Differs(_)));
    let across = client.compare_and_put_all([entry(3, "a"), entry(150, "b")]).await.unwrap_err();
    assert_eq!(across.code(), Some(Code::Unsupported));
    assert_eq!(client.get(Get::key(key(3))).await.unwrap().kvs[0].value, key(3));

    // Appended to by many, nothing is lost.
    let appends = (0..6).map(|_| async { client.append("log", ",", "ab").await.unwrap() });
    join_all(appends).await;
    let log = client.get("log").await.unwrap().kvs.remove(0);
    assert_eq!((log.value, log.version), (Bytes::from(["ab"; 6].join(",")), 6));

    // Ids are given once.
    let takers = (0..4).map(|_| async {
        let mut sequence = client.sequence("ids");
        let mut ids = Vec::new();
        for step in 1..8 {
            ids.extend(sequence.next(step).await.unwrap());
        }
        ids
    });
    let ids: Vec<u64> = join_all(takers).await.concat();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert_eq!(client.sequence("ids").latest().await.unwrap(), 4 * 28);
    let step = ["sequence", "next", "orders", "--step", "5", "--output", "json"];
    assert_eq!(tool(&at, &step).json()["first"], 0);
    assert_eq!(tool(&at, &step).json()["first"], 5);
    client.put(Put::new("no", "number")).await.unwrap();
    assert_eq!(
        client.sequence("no").next(1).await.unwrap_err().code(),
        Some(Code::InvalidArgument)
    );

    // Gathered with others, one that is refused does not take them along.
    let batcher = client.batcher();
    let gathered = (0..200).map(|at| {
        let put = Put::new(format!("g{at:03}"), "1");
        batcher.put(if at == 100 { put.lease(7) } else { put })
    });
    let gathered = join_all(gathered).await;
    let failed: Vec<_> = gathered.iter().filter_map(|put| put.as_ref().err()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].code(), Some(Code::Unsupported));
    let revisions: BTreeSet<_> = gathered.iter().flatten().collect();
    assert!(revisions.len() < 100, "{} requests for 199 writes", revisions.len());
    batcher.delete("g000").await.unwrap();
    assert!(!client.contains("g000").await.unwrap());

    // A scan backwards, a split in its middle that the client does not know of.
    let mut pages = client.scan_regions(Get::prefix("0").keys_only(), true);
    let mut scanned = pages.next().await.unwrap().unwrap();
    tool(&at, &["keyspace", "split", "wide", "--at", "0050"]).well();
    while let Some(kvs) = pages.next().await.unwrap() {
        scanned.extend(kvs);
    }
    let scanned: Vec<_> = scanned.into_iter().map(|kv| kv.key).collect();
    assert_eq!(scanned, (0..300).rev().map(key).collect::<Vec<_>>());
    let backwards = ["kv", "scan", "0", "--reverse", "--limit", "120", "--keyspace", "wide"];
    let backwards = tool(&at, &[&backwards[..], &["--output", "json"]].concat()).json();
    let kvs = backwards["kvs"].as_array().unwrap();
    let ends = (&kvs[0]["key_text"], &kvs[119]["key_text"], kvs.len());
    assert_eq!(ends, (&"0299".into(), &"0180".into(), 120));
    tool(&at, &["keyspace", "split", "wide", "--at", "0250"]).well();
    let parts = client.write_batch((240..260).map(|at| Write::Delete(key(at)))).await;
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.outcome.is_ok() && part.keys.len() == 10), "{parts:?}");
    let read = client.multi_get((200..300).map(key), Read::Linearizable).await.unwrap();
    assert_eq!(read.iter().flatten().count(), 80);
    let parts = client.delete_regions(Span::range("0010", "0290")).await.unwrap();
    let deleted: Vec<i64> = parts.iter().map(|part| *part.outcome.as_ref().unwrap()).collect();
    assert_eq!(deleted, [40, 50, 100, 40, 30]);
    let rest = ["kv", "delete", "0", "--prefix", "--keyspace", "wide", "--output", "json"];
    assert_eq!(tool(&at, &rest).json(), serde_json::json!({ "deleted": 20, "regions": 5 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_to_the_leaders_by_itself_and_after_them_when_they_change() {
    let mut three = Three::start().await;
    let all = three.endpoints();
    let create = ["keyspace", "create", "wide", "--sharded", "--split-at", "m"];
    tool(&all.join(","), &create).well();
    let any = Client::connect(all.clone(), options("wide", false)).await.unwrap();
    any.put(Put::new("a", "0")).await.unwrap();
    any.put(Put::new("z", "0")).await.unwrap();
    let status = any.any_node_status().await.unwrap();
    let wide = status.keyspaces.iter().find(|keyspace| keyspace.name == "wide").unwrap().id;
    let leaders = || async {
        let status = any.any_node_status().await.unwrap();
        let regions = status.regions.iter().filter(|region| region.keyspace == wide);
        regions.map(|region| region.leader).collect::<Vec<_>>()
    };
    let led = leaders().await;
    let other = (1..=3).find(|node| !led.contains(node)).unwrap();

    // It knows one server, which leads none of the regions; once that is gone, it gets to them all the same.
    let only = [all[place(other)].clone()];
    let client = Client::connect(only, options("wide", true)).await.unwrap();
    client.put(Put::new("a", "1")).await.unwrap();
    client.put(Put::new("z", "1")).await.unwrap();
    three.servers[place(other)].kill();
    for at in 0..20 {
        client.put(Put::new("a", at.to_string())).await.unwrap();
        client.put(Put::new("z", at.to_string())).await.unwrap();
    }
    assert_eq!(client.get("a").await.unwrap().kvs[0].value, "19");
    three.start_one(place(other));
    three.serve().await;

    // A leader is lost: no write is refused for long, and none is done twice.
    let client = Client::connect(all, options("wide", true)).await.unwrap();
    let mut counted = BTreeMap::new();
    for round in 0..60 {
        if round == 20 {
            let lost = leaders().await[0];
            three.servers[place(lost)].kill();
        }
        for key in ["a", "z"] {
            let count =
                Txn::new().then([Operation::Put(Put::new(key, round.to_string()).previous())]);
            match client.txn(count).await {
                Ok(outcome) => {
                    let before = counted.insert(key, outcome.revision);
                    assert!(before.is_none_or(|before| before < outcome.revision));
                }
                Err(error) => assert!(error.outcome_unknown(), "{error:?}"),
            }
        }
    }
    for key in ["a", "z"] {
        assert_eq!(client.get(key).await.unwrap().kvs[0].value, "59");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_holder_a_rising_token_and_a_guard() {
    let single = Single::start().await;
    let (one, other) = (single.client().await, single.client().await);
    let limit = Duration::from_secs(20);
    let held = one.lock("job", 10, limit).await.unwrap();
    let late = other.lock("job", 10, Duration::from_millis(100)).await.map(|_| ()).unwrap_err();
    assert!(matches!(late, client::Error::TimedOut { .. }), "{late:?}");
    let waiting = tokio::spawn(async move { other.lock("job", 10, limit).await.unwrap() });
    let guarded = |guard: client::Compare| {
        let (client, put) = (one.clone(), Operation::Put(Put::new("k", "v")));
        async move { client.txn(Txn::new().when([guard]).then([put])).await.unwrap().succeeded }
    };
    let (guard, fence) = (held.guard(), held.fence());
    assert!(guarded(guard.clone()).await);
    assert!(!waiting.is_finished());
    held.unlock().await.unwrap();
    let next = waiting.await.unwrap();
    assert!(next.fence() > fence);
    assert!(!guarded(guard).await && guarded(next.guard()).await);
    next.unlock().await.unwrap();
}
