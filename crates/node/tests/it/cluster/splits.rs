//! Sharded keyspaces: regions that split under load, on real nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use node::{Consistency, Handle, ReplicaStatus};
use state::command::Command;
use state::request::{DeleteRequest, PutRequest, RangeRequest, TxnOp, TxnRequest};
use state::response::Response;
use tokio::task::JoinSet;
use types::{Code, KeyRange, KeyspaceId, RegionId};

use super::world::{Cluster, all, one, put, succeeded, swap, until, within};

/// Keys that each writer counts up by itself.
const KEYS: usize = 12;

fn key(writer: usize, at: usize) -> String {
    format!("{:02}-{writer}", at * 7 % KEYS)
}

async fn count(handle: &Handle, keyspace: KeyspaceId, key: &str) -> u64 {
    let answer = handle.range(keyspace, one(key), Consistency::Linearizable).await.unwrap();
    let text = answer.body.kvs.first().map_or("0", |kv| std::str::from_utf8(&kv.value).unwrap());
    text.parse().unwrap()
}

/// The regions as a node knows them, in the order of their keys.
fn regions(handle: &Handle, keyspace: KeyspaceId) -> Vec<RegionId> {
    let directory = handle.directory();
    assert!(directory.is_tiled(keyspace), "{:?}", directory.regions_of(keyspace));
    directory.regions_of(keyspace).iter().map(|region| region.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_go_on_lose_nothing_and_repeat_nothing_through_splits_and_restarts() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let made = cluster.handle(0).create_sharded_keyspace("wide", Vec::new(), 3).await.unwrap();
    let keyspace = made.id;
    for handle in cluster.handles() {
        until("the keyspace", || async { handle.keyspace(Some("wide")).is_ok() }).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (handle, stop) = (cluster.handle(writer % 3), Arc::clone(&stop));
        let written = Arc::clone(&written);
        writers.spawn(async move {
            let mut counts = vec![0_u64; KEYS];
            let mut revisions = [0_i64; KEYS];
            for round in 0_usize.. {
                let at = round % KEYS;
                let key = key(writer, at);
                let old = (counts[at] > 0).then(|| Bytes::from(counts[at].to_string()));
                let new = Bytes::from((counts[at] + 1).to_string());
                // Only this writer writes the key: so each swap succeeds, once.
                let answer = handle.propose(keyspace, swap(&key, old, new)).await.unwrap();
                assert!(succeeded(&answer.body), "{key} was not {}", counts[at]);
                counts[at] += 1;
                let revision = answer.header.revision.get();
                assert!(revision > revisions[at], "{key}: {revision} after {}", revisions[at]);
                revisions[at] = revision;
                written.fetch_add(1, Ordering::Relaxed);
                if round % 5 == 0 {
                    assert_eq!(count(&handle, keyspace, &key).await, counts[at], "{key}");
                }
                if stop.load(Ordering::Relaxed) {
                    return (writer, counts);
                }
            }
            unreachable!()
        });
    }
    for (round, at) in ["06", "03", "09", "01-2"].into_iter().enumerate() {
        let before = written.load(Ordering::Relaxed);
        until("progress", || async { written.load(Ordering::Relaxed) > before + 40 }).await;
        let splitter = cluster.handle(round % 3);
        within("a split", splitter.split(keyspace, Bytes::from(at))).await.unwrap();
    }
    let before = written.load(Ordering::Relaxed);
    until("progress", || async { written.load(Ordering::Relaxed) > before + 100 }).await;
    stop.store(true, Ordering::Relaxed);
    let counts: BTreeMap<usize, Vec<u64>> =
        within("writers", writers.join_all()).await.into_iter().collect();
    assert_eq!(regions(&cluster.handle(0), keyspace).len(), 5);
    for round in 0..2 {
        for handle in cluster.handles() {
            within("the directory", async {
                until("regions", || async { regions(&handle, keyspace).len() == 5 }).await;
            })
            .await;
            for (writer, counts) in &counts {
                for (at, wanted) in counts.iter().enumerate() {
                    let key = key(*writer, at);
                    assert_eq!(count(&handle, keyspace, &key).await, *wanted, "{key}");
                }
            }
            let all = handle.range(keyspace, all(), Consistency::Linearizable);
            let all = all.await.unwrap().body;
            assert_eq!((all.kvs.len(), all.count), (4 * KEYS, (4 * KEYS) as i64));
            assert!(all.kvs.is_sorted_by(|a, b| a.key < b.key));
        }
        if round == 0 {
            for at in 0..3 {
                cluster.stop(at).await;
            }
            cluster.start_all().await;
        }
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_grows_is_split_by_itself_where_half_of_it_lies() {
    let cluster = Cluster::start(1, |config| config.split_keys = 200).await;
    let handle = cluster.handle(0);
    let keyspace = handle.create_sharded_keyspace("wide", Vec::new(), 3).await.unwrap().id;
    for at in 0..500 {
        handle.propose(keyspace, put(&format!("{at:04}"), "x")).await.unwrap();
    }
    until("splits", || async { regions(&handle, keyspace).len() >= 3 }).await;
    let directory = handle.directory();
    let sizes = directory.regions_of(keyspace).into_iter().map(|region| {
        let (handle, range) = (handle.clone(), region.range.clone());
        async move {
            let request = RangeRequest { range, count_only: true, ..RangeRequest::default() };
            let answer = handle.range(keyspace, request, Consistency::Linearizable).await;
            answer.unwrap().body.count
        }
    });
    // `check_range` wants a key: the first region begins with none.
    let sizes: Vec<_> = sizes.skip(1).collect();
    let sizes = futures::future::join_all(sizes).await;
    assert!(sizes.iter().all(|size| (40..=250).contains(size)), "{sizes:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sharded_keyspace_does_not_do_is_refused_in_words() {
    let cluster = Cluster::start(1, |_| ()).await;
    let handle = cluster.handle(0);
    let split_at = vec![Bytes::from("h"), Bytes::from("p")];
    let made = handle.create_sharded_keyspace("wide", split_at.clone(), 3).await.unwrap();
    let keyspace = made.id;
    assert!(made.is_sharded() && regions(&handle, keyspace).len() == 3);
    for key in ["a", "h", "o", "p", "z"] {
        handle.propose(keyspace, put(key, key.to_owned())).await.unwrap();
    }
    let refusal = async |command: Command| {
        let fault = handle.propose(keyspace, command).await.unwrap_err();
        (fault.code, fault.detail)
    };
    let range = KeyRange { start: "a".into(), end: Some("z".into()) };
    let delete = Command::Delete(DeleteRequest { range: range.clone(), prev_kv: false });
    let (code, words) = refusal(delete).await;
    assert!(code == Code::Unsupported && words.contains("several regions"), "{words}");
    let puts = ["a", "z"].map(|key| TxnOp::Put(PutRequest { key: key.into(), ..<_>::default() }));
    let txn = TxnRequest { success: puts.to_vec(), ..TxnRequest::default() };
    assert_eq!(refusal(Command::Txn(txn)).await.0, Code::Unsupported);
    let lease = Command::LeaseGrant { id: types::LeaseId(1), ttl_seconds: 10 };
    assert_eq!(refusal(lease).await.0, Code::Unsupported);
    let old = RangeRequest { revision: types::Revision(1), ..one("a") };
    let old = handle.range(keyspace, old, Consistency::Linearizable).await.unwrap_err();
    assert_eq!(old.code, Code::Unsupported);
    // Over borders, with a limit that ends at one, before one, and behind one.
    for (limit, more) in [(1, true), (3, true), (4, false), (5, false), (0, false)] {
        let request = RangeRequest { range: range.clone(), limit, ..RangeRequest::default() };
        let found = handle.range(keyspace, request, Consistency::Linearizable).await.unwrap().body;
        let wanted = if limit == 0 { 4 } else { limit.min(4) };
        assert_eq!((found.kvs.len() as u64, found.more), (wanted, more), "limit {limit}");
    }
    // Inside of one region a transaction is whole.
    let puts = ["h", "i"].map(|key| TxnOp::Put(PutRequest { key: key.into(), ..<_>::default() }));
    let txn = Command::Txn(TxnRequest { success: puts.to_vec(), ..TxnRequest::default() });
    let done = handle.propose(keyspace, txn).await.unwrap().body;
    assert!(matches!(done, Response::Txn { succeeded: true, .. }));
    let refused =
        async |at: &'static str| handle.split(keyspace, at.into()).await.unwrap_err().code;
    assert_eq!(refused("h").await, Code::InvalidArgument);
    let ordered = handle.split(KeyspaceId::DEFAULT, "h".into()).await.unwrap_err();
    assert_eq!(ordered.code, Code::Unsupported);
    let again = handle.create_sharded_keyspace("wide", Vec::new(), 3).await.unwrap_err();
    assert_eq!(again.code, Code::KeyspaceExists);
    let unsorted = split_at.into_iter().rev().collect();
    let unsorted = handle.create_sharded_keyspace("other", unsorted, 3).await.unwrap_err();
    assert_eq!(unsorted.code, Code::InvalidArgument);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_the_splits_and_who_joins_after_them_get_every_region_by_snapshot() {
    let mut cluster = Cluster::start(3, |config| config.log_keep_entries = 5).await;
    let handle = cluster.handle(0);
    let keyspace = handle.create_sharded_keyspace("wide", Vec::new(), 0).await.unwrap().id;
    let write = async |handle: &Handle, round: usize| {
        for at in 0..60 {
            let command = put(&format!("{at:02}"), round.to_string());
            handle.propose(keyspace, command).await.unwrap();
        }
    };
    write(&handle, 0).await;
    until("the keyspace", || async { cluster.handle(2).has_leader(keyspace) }).await;
    cluster.stop(2).await;
    for (round, at) in ["30", "10", "50", "40"].into_iter().enumerate() {
        within("a split", handle.split(keyspace, Bytes::from(at))).await.unwrap();
        write(&handle, round + 1).await;
        write(&handle, round + 1).await;
    }
    // Of the region that all of them came out of, nothing is left that node 3 could go on from.
    let first = handle.directory().regions_of(keyspace)[0].id;
    let cut = async || {
        let all = handle.region_statuses().await.unwrap();
        all.iter().any(|(region, _, status)| *region == first && status.first_index > 62)
    };
    until("a cut log", cut).await;
    cluster.start_again(2).await;
    let newcomer = cluster.newcomer();
    let url = vec![format!("http://{}", cluster.configs[newcomer].advertise_peer)];
    // Not before node 3 is heard again.
    let added = || async { handle.add_member(&url, node::Part::Voter).await.is_ok() };
    until("a member", added).await;
    cluster.start_again(newcomer).await;
    within("a split", handle.split(keyspace, Bytes::from("20"))).await.unwrap();
    write(&handle, 9).await;
    for late in [2, newcomer] {
        let late = cluster.handle(late);
        let has_all = || async {
            // By itself, so that no other node's copy answers.
            let own = late.range(keyspace, all(), Consistency::Stale).await;
            own.is_ok_and(|own| {
                own.body.kvs.len() == 60 && own.body.kvs.iter().all(|kv| kv.value == "9")
            })
        };
        until("everything", has_all).await;
        assert_eq!(regions(&late, keyspace).len(), 6);
    }
    let voters = || async {
        let directory = handle.directory();
        directory.regions.values().all(|it| it.peers.len() == 4 && it.learners.is_empty())
    };
    until("voters", voters).await;
    drop(handle);
    cluster.stop(0).await;
    write(&cluster.handle(newcomer), 10).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_regions_of_a_keyspace_are_led_by_all_nodes_alike_also_after_one_was_away() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let at: Vec<Bytes> = (1..12).map(|at| Bytes::from(format!("{at:02}"))).collect();
    let made = cluster.handle(0).create_sharded_keyspace("wide", at, 3).await.unwrap();
    let all: Vec<RegionId> = regions(&cluster.handle(0), made.id);
    assert_eq!(all.len(), 12);
    // What a node says of a region that it leads; 12 over how many lead some.
    async fn even(handles: Vec<Handle>, all: Vec<RegionId>) -> bool {
        let mut counts = BTreeMap::new();
        for handle in &handles {
            let Ok(statuses) = handle.region_statuses().await else { return false };
            let own = handle.node();
            let led = |(region, _, status): &(RegionId, _, ReplicaStatus)| {
                all.contains(region) && status.leader == Some(own)
            };
            counts.insert(own, statuses.iter().filter(|it| led(it)).count());
        }
        counts.values().all(|count| *count * handles.len() == all.len())
    }
    let check = |handles: Vec<Handle>| {
        let all = all.clone();
        async move {
            until("all lead alike", || even(handles.clone(), all.clone())).await;
        }
    };
    within("four for each", check(cluster.handles())).await;
    cluster.stop(1).await;
    within("six for both", check(vec![cluster.handle(0), cluster.handle(2)])).await;
    cluster.start_again(1).await;
    within("four for each again", check(cluster.handles())).await;
    for at in 0..12 {
        let key = format!("{at:02}x");
        cluster.handle(at % 3).propose(made.id, put(&key, "a")).await.unwrap();
    }
}
