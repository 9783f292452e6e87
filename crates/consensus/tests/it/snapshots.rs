use consensus::{Error, Flow, Guards, MessageKind, SnapshotMeta};
use types::{Index, PeerId, Term};

use crate::cluster::{Cluster, config, voters};
use crate::craft::Craft;

/// Peer 3 is behind the log of the others.
fn lagging() -> Cluster {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.isolate(3);
    for at in 0..10 {
        cluster.put(1, &format!("v{at}"));
    }
    cluster.compact(1);
    cluster.compact(2);
    assert_eq!(cluster.replica(1).status().first, Index(13));
    cluster
}

#[test]
fn a_follower_behind_the_log_gets_a_snapshot_and_goes_on() {
    let mut cluster = lagging();
    cluster.heal();
    cluster.ticks(5);
    assert!(cluster.agree());
    assert_eq!(cluster.node(3).log.0.lock().unwrap().prev, (Index(12), Term(2)));
    cluster.put(1, "after");
    assert!(cluster.agree());
    cluster.restart(3);
    cluster.ticks(3);
    cluster.put(1, "after its restart");
    assert!(cluster.agree());
}

#[test]
fn a_snapshot_is_asked_for_once_and_again_when_nobody_answers() {
    let mut cluster = lagging();
    cluster.auto_snapshot = false;
    cluster.heal();
    cluster.ticks(5);
    let wanted = cluster.node(1).wanted.clone();
    assert!(matches!(wanted[..], [request] if request.to == PeerId(3)), "{wanted:?}");
    assert_eq!(wanted[0].at_least, Index(12));
    cluster.ticks(14);
    assert_eq!(cluster.node(1).wanted.len(), 2);

    let meta = |index, term| SnapshotMeta {
        index: Index(index),
        term: Term(term),
        conf_state: voters(&[1, 2, 3]),
        data: bytes::Bytes::new(),
    };
    for bad in [meta(11, 2), meta(13, 2), meta(12, 1)] {
        let refused = cluster.replica(1).provide_snapshot(bad);
        assert!(matches!(refused, Err(Error::BadSnapshot(_))));
    }
    cluster.replica(1).provide_snapshot(meta(12, 2)).unwrap();
    let again = cluster.replica(1).provide_snapshot(meta(12, 2));
    assert!(matches!(again, Err(Error::BadSnapshot(_))), "one answer for one question");
    // The message is there at once, without waiting for a heartbeat.
    let ready = cluster.replica(1).ready().unwrap();
    let sent: Vec<_> = ready.messages.iter().filter(|message| message.is_snapshot()).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].snapshot_meta(), Some(meta(12, 2)));
}

/// Announced without its records it would have its receiver throw away a log and find nothing instead
/// (seed 2393 of the simulator's world `placement`).
#[test]
fn a_leader_that_steps_down_meanwhile_announces_no_snapshot_among_what_waits_for_its_disk() {
    let mut cluster = lagging();
    cluster.auto_snapshot = false;
    cluster.heal();
    cluster.ticks(5);
    cluster.snapshot(1);
    cluster.replica(1).step(Craft::new(MessageKind::Heartbeat, 2, 1, 9).message()).unwrap();
    let ready = cluster.replica(1).ready().unwrap();
    assert_eq!(ready.role_change.map(|(.., term)| term), Some(Term(9)));
    assert!(ready.messages.iter().any(|message| message.is_snapshot()), "{ready:?}");
    let after = &ready.messages_after_persist;
    assert!(!after.is_empty() && !after.iter().any(|it| it.is_snapshot()), "{ready:?}");
}

#[test]
fn the_log_is_kept_for_a_snapshot_in_flight_and_a_failed_one_is_repeated() {
    let mut cluster = lagging();
    cluster.heal();
    cluster.lose = Some(Box::new(|message| message.kind() == MessageKind::Snapshot));
    for _ in 0..3 {
        cluster.replica(1).tick();
        cluster.drain(1);
    }
    while let Some(message) = cluster.net.pop_front() {
        if message.is_snapshot() {
            cluster.net.push_front(message);
            break;
        }
        cluster.deliver(message);
    }
    let status = cluster.replica(1).status();
    assert_eq!(status.peers[2].flow, Flow::Snapshot { index: Index(12) });
    cluster.lose = Some(Box::new(|message| message.to() == PeerId(3)));
    let snapshot = cluster.net.pop_front().unwrap();
    cluster.put(1, "while it is on its way");
    assert_eq!(cluster.replica(1).safe_to_compact(), Index(12));
    cluster.deliver(snapshot);
    assert_eq!(cluster.replica(1).safe_to_compact(), Index(13), "it failed");
    cluster.heal();
    cluster.ticks(6);
    assert!(cluster.agree());
}

#[test]
fn no_election_while_a_snapshot_is_being_installed() {
    let mut cluster = lagging();
    cluster.node(3).hold_writes = true;
    cluster.heal();
    cluster.ticks(5);
    let installing = cluster.node(3).queue.iter().any(|ready| ready.snapshot.is_some());
    assert!(installing);
    // The library would read entries that are gone, and panic.
    cluster.isolate(3);
    for _ in 0..50 {
        cluster.replica(3).tick();
    }
    assert_eq!(cluster.replica(3).campaign(), Err(Error::Writing));
    cluster.node(3).hold_writes = false;
    cluster.flush(3);
    cluster.heal();
    cluster.ticks(30);
    let leader = cluster.leader().unwrap();
    cluster.put(leader, "after");
    assert!(cluster.agree());
}

#[test]
fn a_crash_before_the_snapshot_is_durable_starts_it_again() {
    let mut cluster = lagging();
    cluster.node(3).hold_writes = true;
    cluster.heal();
    cluster.ticks(5);
    cluster.restart(3);
    cluster.node(3).hold_writes = false;
    cluster.replica(1).report_snapshot(PeerId(3), false);
    cluster.ticks(10);
    assert!(cluster.agree());
}
