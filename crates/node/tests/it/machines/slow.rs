//! Keyspaces that are slow, and the others that must not notice.

use std::sync::Arc;

use node::{Consistency, Handle, NodeBuilder};
use tokio::task::JoinSet;
use types::{Code, KeyspaceId};

use super::world::{Counter, GATES, Nodes, eventually, number, value};
use crate::cluster::world::{one, put, until, within};

/// How far a keyspace is committed and not applied on the node asked.
async fn unapplied(handle: &Handle, keyspace: KeyspaceId) -> (u64, u64) {
    let status = within("a status", handle.status(keyspace)).await.unwrap().body;
    (status.commit_index, status.commit_index.saturating_sub(status.applied_index))
}

/// Writes to every keyspace through every node.
async fn write_all(handles: &[Handle], keys: &[KeyspaceId], counters: &[KeyspaceId]) {
    let mut writes = JoinSet::new();
    for handle in handles {
        for keyspace in keys.iter().copied() {
            let handle = handle.clone();
            writes.spawn(async move { handle.propose(keyspace, put("key", "x")).await.map(drop) });
        }
        for keyspace in counters.iter().copied() {
            let handle = handle.clone();
            writes.spawn(async move { handle.execute(keyspace, number(1)).await.map(drop) });
        }
    }
    for written in within("writes to the others", writes.join_all()).await {
        written.unwrap();
    }
}

async fn leader(nodes: &Nodes, keyspace: KeyspaceId) -> (Handle, types::Term) {
    let status = nodes.handle(0).status(keyspace).await.unwrap();
    let leader = status.body.leader.expect("a leader").get();
    (nodes.handle(usize::try_from(leader).unwrap() - 1), status.header.term)
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_block_hold_up_neither_a_hundred_others_nor_their_own_heartbeats() {
    let counters = |_: usize, builder: NodeBuilder| builder.machine::<Counter>("counter");
    let mut nodes = Nodes::start(3, counters).await;
    let handles = nodes.handles();
    let mut making = JoinSet::new();
    for at in 0..103 {
        let handle = Arc::new(handles[0].clone());
        making.spawn(async move {
            match at {
                0..90 => Ok(handle.create_keyspace(&format!("keys-{at}")).await?.id),
                _ => handle.machine_keyspace(&format!("counter-{at}"), "counter").await,
            }
            .map(|keyspace: KeyspaceId| (at, keyspace))
        });
    }
    let mut made: Vec<_> = making.join_all().await.into_iter().map(Result::unwrap).collect();
    made.sort();
    let all: Vec<KeyspaceId> = made.into_iter().map(|(_, keyspace)| keyspace).collect();
    for handle in &handles {
        for keyspace in &all {
            within("a leader", handle.ready(*keyspace)).await;
        }
    }
    let (keys, counters, blocked) = (&all[..90], &all[90..100], &all[100..]);
    write_all(&handles, keys, counters).await;

    GATES[0].set(false);
    let waiting: Vec<_> = blocked
        .iter()
        .map(|keyspace| {
            let (handle, keyspace) = (handles[0].clone(), *keyspace);
            tokio::spawn(async move { handle.execute(keyspace, "wait-0").await })
        })
        .collect();
    for keyspace in blocked {
        until("a command that is not applied", || async {
            unapplied(&handles[1], *keyspace).await.1 > 0
        })
        .await;
    }
    write_all(&handles, keys, counters).await;
    // Whoever takes one of them for keys and values is told so, and holds up nobody.
    for handle in &handles {
        let stale = node::Consistency::Stale;
        let refused = handle.range(blocked[0], one("key"), stale).await.unwrap_err();
        assert_eq!(refused.code, Code::Unsupported);
        assert!(handle.leases(blocked[0], stale).await.is_err());
        assert!(handle.watch(blocked[0]).is_err());
    }

    // What piles up has a bound.
    let (leader_before, term) = leader(&nodes, blocked[0]).await;
    // Not through the node whose client waits: it has a bound of its own, and a smaller one.
    let refused = pile_up(&handles[1], &leader_before, blocked[0]).await;
    assert_eq!(refused, Code::TooManyRequests);
    let (_, waits) = unapplied(&leader_before, blocked[0]).await;
    assert!((4_900..=5_000).contains(&waits), "{waits} wait");
    write_all(&handles, keys, counters).await;

    // Several election timeouts later.
    for waiting in waiting {
        let gave_up = within("an end", waiting).await.unwrap().unwrap_err();
        assert_eq!(gave_up.code, Code::Timeout, "{gave_up}");
    }
    assert_eq!(leader(&nodes, blocked[0]).await.1, term, "heartbeats went on");
    write_all(&handles, keys, counters).await;

    GATES[0].set(true);
    for keyspace in blocked {
        eventually("the blocked go on", || handles[2].execute(*keyspace, number(1))).await;
    }
    let sum = handles[1].query(blocked[1], "", Consistency::Linearizable).await.unwrap();
    assert_eq!(value(&sum), 1);
    drop((handles, leader_before));
    nodes.stop_all().await;
}

/// Has commands committed that are not applied, until one is refused.
async fn pile_up(handle: &Handle, leader: &Handle, keyspace: KeyspaceId) -> Code {
    loop {
        let (before, _) = unapplied(leader, keyspace).await;
        let mut writes = JoinSet::new();
        for _ in 0..500 {
            let handle = handle.clone();
            writes.spawn(async move { handle.execute(keyspace, number(0)).await });
        }
        // None is answered but those that are refused; the rest is given up once it is committed.
        tokio::select! {
            answered = writes.join_next() => {
                let refused = answered.unwrap().unwrap().unwrap_err().code;
                // It is told at once; what was taken beside it is committed a round later.
                until("what was taken", || async { unapplied(leader, keyspace).await.1 >= 4_900 })
                    .await;
                return refused;
            }
            () = until("commits", || async {
                unapplied(leader, keyspace).await.0 >= before + 500
            }) => {}
        }
    }
}
