//! A program's own state machine: replicated, once, kept apart from the others, kept over restarts.

use std::time::Duration;

use node::{Consistency, Node, NodeBuilder};
use types::{Code, KeyspaceId};

use super::world::{Counter, Nodes, number, value};
use crate::cluster::world::{put, until, value as get, within};

const LINEARIZABLE: Consistency = Consistency::Linearizable;

fn counters(_at: usize, builder: NodeBuilder) -> NodeBuilder {
    builder.machine::<Counter>("counter")
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_all_nodes_agree_over_restarts_snapshots_and_a_cluster_that_was_down() {
    let mut nodes = Nodes::start(3, |at, builder| {
        counters(at, builder).configure(|config| {
            config.log_keep_entries = 20;
            config.log_flush_after = Duration::ZERO;
        })
    })
    .await;
    let keyspace = nodes.handle(1).machine_keyspace("clicks", "counter").await.unwrap();
    for handle in nodes.handles() {
        // Whoever comes second finds it.
        assert_eq!(handle.machine_keyspace("clicks", "counter").await.unwrap(), keyspace);
        for _ in 0..10 {
            handle.execute(keyspace, number(1)).await.unwrap();
        }
        let sum = handle.query(keyspace, "", LINEARIZABLE).await.unwrap();
        assert!(value(&sum) >= 10);
    }
    // One falls so far behind that it needs a snapshot.
    nodes.stop(2).await;
    let handle = nodes.handle(0);
    for _ in 0..200 {
        handle.execute(keyspace, number(1)).await.unwrap();
    }
    until("a cut log", || async {
        handle.status(keyspace).await.is_ok_and(|status| status.body.first_index > 40)
    })
    .await;
    nodes.start_one(2).await;
    let late = nodes.handle(2);
    within("a leader", late.ready(keyspace)).await;
    let sum = within("a read", late.query(keyspace, "", LINEARIZABLE)).await.unwrap();
    assert_eq!(value(&sum), 230);
    // All of them down, and back without anybody's help.
    drop((handle, late));
    nodes.stop_all().await;
    nodes.start_all().await;
    for handle in nodes.handles() {
        within("a leader", handle.ready(keyspace)).await;
        let sum = within("a read", handle.query(keyspace, "", LINEARIZABLE)).await.unwrap();
        assert_eq!(value(&sum), 230);
    }
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_panics_costs_its_keyspace_only() {
    let mut nodes = Nodes::start(3, counters).await;
    let bad = nodes.handle(0).machine_keyspace("bad", "counter").await.unwrap();
    let good = nodes.handle(0).machine_keyspace("good", "counter").await.unwrap();
    nodes.handle(0).execute(bad, number(5)).await.unwrap();
    let said = nodes.handle(0).query(bad, "panic", LINEARIZABLE).await.unwrap_err();
    assert_eq!(said.code, Code::Internal, "a question harms nobody: {said}");
    let said = within("an answer", nodes.handle(0).execute(bad, "panic")).await.unwrap_err();
    assert_eq!(said.code, Code::Timeout, "whether it was carried out elsewhere is unknown: {said}");
    assert!(said.detail.contains("told to"), "{said}");
    for round in 1..=2 {
        for handle in nodes.handles() {
            // The last replica may never learn that the command was committed: then it has nobody
            // left to lead it.
            until("the keyspace to be set aside", || async {
                let refused = handle.execute(bad, number(1)).await;
                refused.is_err_and(|fault| [Code::Corrupt, Code::NoLeader].contains(&fault.code))
            })
            .await;
            match handle.query(bad, "", Consistency::Stale).await {
                Ok(sum) => assert_eq!(value(&sum), 5, "nothing half done is shown"),
                Err(refused) => assert_eq!(refused.code, Code::Corrupt),
            }
            within("a leader", handle.ready(good)).await;
            within("the other", handle.execute(good, number(1))).await.unwrap();
            within("keys", handle.propose(KeyspaceId::DEFAULT, put("key", "x"))).await.unwrap();
            assert!(get(&handle, "key").await.is_some());
        }
        // The log hands the command out again: with the same end, and the same peace for the rest.
        if round == 1 {
            nodes.stop_all().await;
            nodes.start_all().await;
        }
    }
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_machine_sets_the_keyspace_aside_until_it_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::builder(directory.path()).machine::<Counter>("counter").start().await.unwrap();
    let handle = node.handle();
    let keyspace = handle.machine_keyspace("clicks", "counter").await.unwrap();
    handle.execute(keyspace, number(7)).await.unwrap();
    let taken = handle.machine_keyspace("clicks", "other").await.unwrap_err();
    assert_eq!(taken.code, Code::KeyspaceExists, "{taken}");
    let taken = handle.machine_keyspace("default", "counter").await.unwrap_err();
    assert_eq!(taken.code, Code::KeyspaceExists, "{taken}");
    // Each kind of keyspace takes its own commands.
    let refused = handle.propose(keyspace, put("key", "x")).await.unwrap_err();
    assert_eq!(refused.code, Code::Unsupported, "{refused}");
    let refused = handle.execute(KeyspaceId::DEFAULT, "x").await.unwrap_err();
    assert_eq!(refused.code, Code::Unsupported, "{refused}");
    drop(handle);
    node.shutdown().await;

    let node = Node::builder(directory.path()).start().await.unwrap();
    let handle = node.handle();
    within("a leader", handle.ready(KeyspaceId::DEFAULT)).await;
    let refused = handle.execute(keyspace, number(1)).await.unwrap_err();
    assert_eq!(refused.code, Code::Corrupt);
    assert!(refused.detail.contains("counter"), "{refused}");
    handle.propose(KeyspaceId::DEFAULT, put("key", "x")).await.unwrap();
    drop(handle);
    node.shutdown().await;

    let node = Node::builder(directory.path()).machine::<Counter>("counter").start().await.unwrap();
    let handle = node.handle();
    within("a leader", handle.ready(keyspace)).await;
    assert_eq!(value(&handle.execute(keyspace, number(1)).await.unwrap()), 8);
    drop(handle);
    node.shutdown().await;
}
