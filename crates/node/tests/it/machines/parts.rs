//! Nodes put together from parts of the program's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use env::{Clock, Moment, MonotonicClock};
use node::{Consistency, Error, Node};
use storage::engine::MemoryEngine;
use storage::log::MemoryLog;
use types::KeyspaceId;

use super::world::{Counter, Nodes, eventually, number, value};
use crate::cluster::world::{DEFAULT, put, until, value as get, within};

#[derive(Default)]
struct CountingClock {
    clock: MonotonicClock,
    asked: AtomicU64,
}

impl Clock for CountingClock {
    fn now(&self) -> Moment {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }

    fn wall_millis(&self) -> u64 {
        self.clock.wall_millis()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_in_memory_loses_its_leader_and_goes_on_and_leaves_nothing_behind() {
    let clock = Arc::new(CountingClock::default());
    let given = Arc::clone(&clock);
    let mut nodes = Nodes::start(3, move |_, builder| {
        builder
            .machine::<Counter>("counter")
            .log(MemoryLog::new())
            .engine(Arc::new(MemoryEngine::new()))
            .clock(given.clone())
            .configure(|config| config.log_keep_entries = 20)
    })
    .await;
    let keyspace = nodes.handle(1).machine_keyspace("clicks", "counter").await.unwrap();
    for handle in nodes.handles() {
        within("a leader", handle.ready(keyspace)).await;
    }
    for _ in 0..100 {
        nodes.handle(1).execute(keyspace, number(1)).await.unwrap();
    }
    let first = || async { nodes.handle(1).status(keyspace).await.unwrap().body.first_index };
    until("a log that is cut", || async { first().await > 20 }).await;
    let leader = nodes.handle(0).status(keyspace).await.unwrap().body.leader.unwrap();
    nodes.stop(usize::try_from(leader.get()).unwrap() - 1).await;
    for handle in nodes.handles() {
        let wrote = || handle.execute(keyspace, number(1));
        eventually("another leader", wrote).await;
        within("keys", handle.propose(DEFAULT, put("key", "x"))).await.unwrap();
        let sum = within("a sum", handle.query(keyspace, "", Consistency::Linearizable)).await;
        assert!(value(&sum.unwrap()) > 100);
        assert!(get(&handle, "key").await.is_some());
    }
    assert!(clock.asked.load(Ordering::Relaxed) > 0, "no other clock is used");
    nodes.stop_all().await;
    for kept in ["log", "state"] {
        assert!(!nodes.directory(0).join(kept).exists(), "{kept} is in memory");
    }
    let again = nodes.builder(0).start().await;
    assert!(matches!(again, Err(Error::Forgetful { .. })), "it would have forgotten its votes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_lasts_wants_a_log_that_lasts() {
    let directory = tempfile::tempdir().unwrap();
    let refused = Node::builder(directory.path()).log(MemoryLog::new()).start().await;
    assert!(matches!(refused, Err(Error::Forgetful { .. })));
    // The other way round is fine: the log tells the state again.
    for round in 0..2 {
        let node = Node::builder(directory.path()).engine(Arc::new(MemoryEngine::new()));
        let node = within("a start", node.start()).await.unwrap();
        let handle = node.handle();
        within("a leader", handle.ready(KeyspaceId::DEFAULT)).await;
        assert_eq!(get(&handle, "key").await.is_some(), round == 1);
        handle.propose(DEFAULT, put("key", "x")).await.unwrap();
        drop(handle);
        node.shutdown().await;
    }
}
