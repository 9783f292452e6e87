//! Reads while a node's applier is held up, and questions that make no sense.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use state::command::Command;
use state::request::{PutRequest, Query, RangeRequest, TxnOp, TxnRequest};
use tempfile::TempDir;
use tokio::time::timeout;
use types::{Code, KeyRange, KeyspaceId, RegionId};

use super::{answer_read, answer_verify, by_lease};
use crate::shard::Shard;
use crate::{Consistency, Handle, Node, NodeConfig};

const DEFAULT: KeyspaceId = KeyspaceId::DEFAULT;
/// How long anything may take; the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

async fn three(directory: &TempDir) -> Vec<Node> {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let initial: Vec<_> = (1..=3).map(|at| (format!("n{at}"), free())).collect();
    let config = |(name, address): &(String, String)| NodeConfig {
        name: name.clone(),
        data_dir: directory.path().join(name),
        listen_peer: address.clone(),
        advertise_peer: address.clone(),
        initial_cluster: initial.clone(),
        tick: Duration::from_millis(40),
        log_segment_bytes: 1 << 20,
        ..NodeConfig::default()
    };
    let starting = initial.iter().map(|it| tokio::spawn(Node::start(config(it))));
    let mut nodes = Vec::new();
    for starting in starting.collect::<Vec<_>>() {
        nodes.push(starting.await.unwrap().unwrap());
    }
    for node in &nodes {
        node.handle().ready(DEFAULT).await;
    }
    nodes
}

fn shard(node: &Node) -> Arc<Shard> {
    node.shared.shard(RegionId(2)).unwrap()
}

fn put(value: &'static str) -> Command {
    let (key, value) = (Bytes::from_static(b"key"), Bytes::from_static(value.as_bytes()));
    Command::Put(PutRequest { key, value, ..PutRequest::default() })
}

fn key() -> RangeRequest {
    let range = KeyRange::single(&Bytes::from_static(b"key"));
    RangeRequest { range, ..RangeRequest::default() }
}

async fn value(handle: &Handle, consistency: Consistency) -> Bytes {
    let answer = timeout(PATIENCE, handle.range(DEFAULT, key(), consistency)).await;
    answer.expect("an answer").unwrap().body.kvs[0].value.clone()
}

/// Keeps a shard's applier from applying until it is dropped.
struct HeldUp {
    _release: mpsc::Sender<()>,
}

impl HeldUp {
    fn new(shard: Arc<Shard>) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (held, holds) = mpsc::channel();
        thread::spawn(move || {
            let _reading = shard.machine.read();
            held.send(()).unwrap();
            let _ = released.recv();
        });
        holds.recv().unwrap();
        Self { _release: release }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_a_follower_applies_nothing_the_leader_answers_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let nodes = three(&directory).await;
    let leader = nodes.iter().find(|node| shard(node).leadership().here).unwrap();
    let follower = nodes.iter().find(|node| !shard(node).leadership().here).unwrap();
    leader.handle().propose(DEFAULT, put("old")).await.unwrap();
    assert_eq!(value(&follower.handle(), Consistency::Linearizable).await, "old");

    let held = HeldUp::new(shard(follower));
    leader.handle().propose(DEFAULT, put("new")).await.unwrap();
    let own = tokio::spawn({
        let handle = follower.handle();
        async move { value(&handle, Consistency::Linearizable).await }
    });
    let barrier = tokio::spawn({
        let handle = follower.handle();
        async move { timeout(PATIENCE, handle.barrier(DEFAULT)).await.unwrap() }
    });
    for _ in 0..5 {
        assert_eq!(value(&follower.handle(), Consistency::Follower).await, "new");
        assert_eq!(value(&follower.handle(), Consistency::Lease).await, "new");
    }
    assert!(!own.is_finished() && !barrier.is_finished(), "its own copy is not that far");
    drop(held);
    assert_eq!(own.await.unwrap(), "new");
    barrier.await.unwrap().unwrap();
    assert_eq!(value(&follower.handle(), Consistency::Stale).await, "new");
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lease_read_waits_until_what_is_committed_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let nodes = three(&directory).await;
    let leader = nodes.iter().find(|node| shard(node).leadership().here).unwrap();
    let follower = nodes.iter().find(|node| !shard(node).leadership().here).unwrap();
    let (shared, shard) = (&leader.shared, shard(leader));
    let held = HeldUp::new(Arc::clone(&shard));
    // The follower applies it and says so.
    follower.handle().propose(DEFAULT, put("value")).await.unwrap();
    // The first has a round asked for, waits too, and gives the lease.
    let mut round = Box::pin(by_lease(shared, &shard));
    let has_lease = || shard.lease_left(shared.clock.now(), &shared.config.clock_rules()).is_some();
    while !has_lease() {
        assert!(futures::poll!(&mut round).is_pending());
        tokio::task::yield_now().await;
    }
    let mut read = Box::pin(by_lease(shared, &shard));
    assert!(futures::poll!(&mut read).is_pending(), "it is not applied here");
    drop(held);
    timeout(PATIENCE, read).await.expect("an answer").unwrap();
    assert!(shard.is_caught_up());
    timeout(PATIENCE, round).await.expect("an answer").unwrap();
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_answers_for_a_leader_only_if_it_leads_and_only_reads() {
    let directory = tempfile::tempdir().unwrap();
    let nodes = three(&directory).await;
    nodes[0].handle().propose(DEFAULT, put("value")).await.unwrap();
    let body = |query: &Query| [&[1][..], &query.encode()].concat().into();
    for node in &nodes {
        let (shared, shard) = (&node.shared, shard(node));
        let leads = shard.leadership().here;
        let read = answer_read(shared, &shard, body(&Query::Range(key()))).await;
        let verified = answer_verify(shared, &shard).await;
        if leads {
            assert!(read.is_ok() && verified.is_ok(), "{read:?} {verified:?}");
        } else {
            assert_eq!(read.unwrap_err().code, Code::NotLeader);
            assert_eq!(verified.unwrap_err().code, Code::NotLeader);
        }
        let Command::Put(put) = put("other") else { unreachable!() };
        let writes = TxnRequest { success: vec![TxnOp::Put(put)], ..TxnRequest::default() };
        for nonsense in [Bytes::new(), Bytes::from_static(&[2, 1]), body(&Query::Txn(writes))] {
            let refused = answer_read(shared, &shard, nonsense).await;
            assert_eq!(refused.unwrap_err().code, Code::Internal);
        }
    }
    for node in nodes {
        node.shutdown().await;
    }
}
