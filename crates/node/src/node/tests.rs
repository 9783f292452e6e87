//! What only a look inside shows: one region's bug, and the end of a node that failed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use region::{Committed, LogWrite};
use state::command::Command;
use state::request::PutRequest;
use tempfile::TempDir;
use tokio::time::timeout;
use types::{Code, Entry, Index, KeyspaceId, PeerId, RegionId, Term};

use super::Node;
use crate::NodeConfig;
use crate::applier::ToApplier;
use crate::writer::ToWriter;

const DEFAULT: KeyspaceId = KeyspaceId::DEFAULT;

fn configs(count: usize, directory: &TempDir) -> Vec<NodeConfig> {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let initial: Vec<_> = (1..=count).map(|at| (format!("n{at}"), free())).collect();
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
    initial.iter().map(config).collect()
}

fn put() -> Command {
    let key = Bytes::from_static(b"key");
    Command::Put(PutRequest { key, ..PutRequest::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_writes_nonsense_is_set_aside_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(configs(1, &directory).remove(0)).await.unwrap();
    let handle = node.handle();
    handle.ready(DEFAULT).await;
    let other = handle.create_keyspace("other").await.unwrap();
    handle.propose(DEFAULT, put()).await.unwrap();

    let gap = Entry { term: Term(2), index: Index(9_999), ..Entry::default() };
    node.shared.writer.push(ToWriter::Write(LogWrite {
        region: RegionId(2),
        peer: PeerId(1),
        number: None,
        hard_state: None,
        entries: vec![gap],
        reset_to: None,
        compact_to: None,
        must_sync: true,
        messages: Vec::new(),
    }));
    let start = Instant::now();
    while handle.propose(DEFAULT, put()).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the region still serves");
    }
    let refused = handle.propose(DEFAULT, put()).await.unwrap_err();
    assert_eq!(refused.code, Code::Corrupt, "{refused}");
    assert!(!handle.has_leader(DEFAULT));
    for _ in 0..10 {
        handle.propose(other.id, put()).await.unwrap();
    }
    assert_eq!(handle.region_statuses().await.unwrap().len(), 2, "meta and the other");
    assert_eq!(node.shared.failed(), None);
    drop(handle);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_applying_sets_the_region_aside_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let config = configs(1, &directory).remove(0);
    let node = Node::start(config.clone()).await.unwrap();
    let handle = node.handle();
    handle.ready(DEFAULT).await;
    let other = handle.create_keyspace("other").await.unwrap();
    handle.propose(DEFAULT, put()).await.unwrap();

    let gap = Entry { term: Term(2), index: Index(9_999), ..Entry::default() };
    node.shared.applier(RegionId(2)).push(ToApplier::Committed(Committed {
        region: RegionId(2),
        term: Term(2),
        entries: vec![gap],
        waiting: Vec::new(),
        configurations: Vec::new(),
    }));
    let start = Instant::now();
    let refused = loop {
        match handle.propose(DEFAULT, put()).await {
            Err(fault) if fault.code == Code::Corrupt => break fault,
            // One that was on its way: nobody knows.
            Err(fault) => assert_eq!(fault.code, Code::Timeout, "{fault}"),
            Ok(_) => {}
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the region still serves");
    };
    assert!(refused.detail.contains("a gap before the entry"), "{refused}");
    for _ in 0..10 {
        handle.propose(other.id, put()).await.unwrap();
    }
    assert_eq!(node.shared.failed(), None);
    drop(handle);
    node.shutdown().await;
    // What the region had lost nothing by it.
    let node = Node::start(config).await.unwrap();
    let handle = node.handle();
    timeout(Duration::from_secs(20), handle.ready(DEFAULT)).await.expect("a leader");
    handle.propose(DEFAULT, put()).await.unwrap();
    drop(handle);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_failed_answers_nothing_and_lets_another_lead() {
    let directory = tempfile::tempdir().unwrap();
    let starting = configs(3, &directory).into_iter().map(|it| tokio::spawn(Node::start(it)));
    let mut nodes = Vec::new();
    for starting in starting.collect::<Vec<_>>() {
        nodes.push(starting.await.unwrap().unwrap());
    }
    for node in &nodes {
        node.handle().ready(DEFAULT).await;
    }
    nodes[0].handle().propose(DEFAULT, put()).await.unwrap();
    let leads = |node: &Node| node.shared.shard(RegionId(2)).unwrap().leadership().here;
    let leader = nodes.iter().position(leads).unwrap();
    let failed = nodes.remove(leader);
    let waiting = tokio::spawn({
        let handle = failed.handle();
        async move { while handle.propose(DEFAULT, put()).await.is_ok() {} }
    });
    failed.shared.fail("the disk is gone".to_owned());
    timeout(Duration::from_secs(2), waiting).await.expect("an answer soon").unwrap();
    assert_eq!(failed.handle().failed().await.reason, "the disk is gone");
    let refused = failed.handle().propose(DEFAULT, put()).await.unwrap_err();
    assert_eq!(refused.code, Code::ShuttingDown);
    for node in &nodes {
        timeout(Duration::from_secs(20), node.handle().propose(DEFAULT, put()))
            .await
            .expect("another leader")
            .unwrap();
    }
    failed.shutdown().await;
    for node in nodes {
        node.shutdown().await;
    }
}
