use bytes::Bytes;
use consensus::{Error, Guards, MessageKind, Role};
use types::{Index, PeerId};

use crate::cluster::{Cluster, config, voters};

#[test]
fn what_is_committed_is_applied_everywhere() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    for at in 0..20 {
        cluster.put(1, &format!("v{at}"));
    }
    assert_eq!(cluster.node(3).state.len(), 20);
    assert!(cluster.agree());
    assert_eq!(
        cluster.replica(2).propose(Bytes::from_static(b"x")),
        Err(Error::NotLeader { leader: Some(PeerId(1)) })
    );
    assert_eq!(cluster.replica(1).propose(Bytes::new()), Err(Error::EmptyProposal));
}

#[test]
fn a_leader_sends_before_it_writes_and_counts_itself_after() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.node(1).hold_writes = true;
    cluster.crash(3);
    let index = cluster.put(1, "a");
    assert_eq!(cluster.replica(2).last_index(), index, "sent before it is durable here");
    assert_eq!(cluster.node(2).log.0.lock().unwrap().entries.len(), 2);
    assert!(cluster.replica(1).commit_index() < index, "one durable copy of three is no majority");
    cluster.flush(1);
    cluster.settle();
    assert_eq!(cluster.replica(1).commit_index(), index);
}

#[test]
fn two_followers_commit_without_the_leaders_disk_but_it_does_not_apply_before() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.node(1).hold_writes = true;
    let index = cluster.put(1, "a");
    assert_eq!(cluster.replica(1).commit_index(), index);
    assert!(cluster.node(1).values().is_empty(), "not durable here");
    cluster.flush(1);
    cluster.settle();
    assert_eq!(cluster.node(1).values(), ["a"]);
}

#[test]
fn votes_and_acknowledgements_wait_for_the_disk() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.node(2).hold_writes = true;
    cluster.propose(1, "a");
    cluster.settle();
    let acknowledged = |cluster: &mut Cluster| {
        let status = cluster.replica(1).status();
        status.peers.iter().find(|peer| peer.peer == PeerId(2)).unwrap().matched
    };
    assert_eq!(acknowledged(&mut cluster), Index(2));
    cluster.flush(2);
    cluster.settle();
    assert_eq!(acknowledged(&mut cluster), Index(3));

    // A vote that is lost with the disk was never given.
    cluster.crash(1);
    (0..10).for_each(|_| cluster.replica(2).tick());
    cluster.net.clear();
    cluster.replica(3).campaign().unwrap();
    for _ in 0..4 {
        cluster.settle();
        assert_ne!(cluster.replica(3).role(), Role::Leader);
        assert!(cluster.net.is_empty());
        if cluster.replica(3).role() == Role::Candidate {
            break;
        }
        cluster.flush_one(2);
    }
    assert_eq!(cluster.replica(3).role(), Role::Candidate, "asked, and not answered");
    cluster.flush(2);
    cluster.settle();
    assert_eq!(cluster.replica(3).role(), Role::Leader);
}

#[test]
fn a_diverging_tail_is_found_in_a_step_per_term_and_replaced() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.put(1, "common");
    cluster.isolate(1);
    for at in 0..50 {
        cluster.propose(1, &format!("lost {at}"));
    }
    cluster.ticks(45);
    let leader = cluster.leader().unwrap();
    for at in 0..50 {
        cluster.put(leader, &format!("kept {at}"));
    }
    let before = cluster.trace.len();
    cluster.heal();
    cluster.ticks(5);
    assert!(cluster.agree());
    let probes = cluster.trace[before..]
        .iter()
        .filter(|line| line.contains("AppendResponse") && line.ends_with("reject"))
        .count();
    assert!(probes <= 3, "{probes} rejections for two terms");
    assert!(cluster.node(1).values()[1].starts_with("kept"));
}

#[test]
fn a_restarted_replica_goes_on_from_its_disk() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.put(1, "a");
    for id in [1, 2, 3] {
        cluster.restart(id);
    }
    cluster.ticks(45);
    let leader = cluster.leader().expect("a leader after all restarted");
    cluster.put(leader, "b");
    assert!(cluster.agree());
    assert_eq!(cluster.node(leader).values(), ["a", "b"]);
}

#[test]
fn old_entries_are_read_from_the_log_and_memory_stays_bounded() {
    let mut config = config(Guards::default());
    config.cache_bytes = 4_096;
    config.max_message_bytes = 2_048;
    let mut cluster = Cluster::led(&[1, 2, 3], config);
    cluster.isolate(3);
    for at in 0..200 {
        cluster.put(1, &format!("{at:0100}"));
    }
    let status = cluster.replica(1).status();
    assert!(status.cached_bytes <= 4_096, "{}", status.cached_bytes);
    let before = cluster.node(1).log.0.lock().unwrap().reads;
    cluster.heal();
    cluster.ticks(5);
    assert!(cluster.agree(), "the lagging follower got everything");
    assert!(cluster.node(1).log.0.lock().unwrap().reads > before);
    cluster.replica(1).release_memory();
    assert_eq!(cluster.replica(1).status().cached_bytes, 0);
    cluster.put(1, "and goes on");
    assert!(cluster.agree());
}

#[test]
fn entries_that_are_not_durable_stay_in_memory_beyond_the_bound() {
    let mut config = config(Guards::default());
    config.cache_bytes = 0;
    let mut cluster = Cluster::led(&[1, 2, 3], config);
    cluster.node(1).hold_writes = true;
    cluster.isolate(3);
    for at in 0..20 {
        cluster.put(1, &format!("v{at}"));
    }
    assert!(cluster.replica(1).status().cached_bytes > 0);
    // The follower asks for what the leader's disk does not have yet.
    cluster.heal();
    cluster.ticks(3);
    assert_eq!(cluster.replica(3).last_index(), cluster.replica(1).last_index());
    cluster.flush(1);
    cluster.settle();
    cluster.replica(1).tick();
    assert_eq!(cluster.replica(1).status().cached_bytes, 0);
}

#[test]
fn too_much_uncommitted_is_refused() {
    let mut config = config(Guards::default());
    config.max_message_bytes = 100;
    config.max_uncommitted_bytes = 100;
    let mut cluster = Cluster::led(&[1, 2, 3], config);
    cluster.isolate(1);
    let big = Bytes::from(vec![b'x'; 80]);
    cluster.replica(1).propose(big.clone()).unwrap();
    assert_eq!(cluster.replica(1).propose(big.clone()), Err(Error::Dropped));
    cluster.drain(1);
    cluster.heal();
    cluster.ticks(3);
    cluster.replica(1).propose(big).unwrap();
}

#[test]
fn a_log_that_cannot_be_read_stops_the_replica_and_nothing_else() {
    let mut config = config(Guards::default());
    config.cache_bytes = 0;
    let mut cluster = Cluster::led(&[1, 2, 3], config);
    cluster.isolate(3);
    cluster.put(1, "a");
    cluster.node(1).log.0.lock().unwrap().broken = true;
    cluster.heal();
    // The heartbeat's answer makes the leader look for what peer 3 misses.
    cluster.replica(1).report_unreachable(PeerId(3));
    cluster.replica(1).tick();
    cluster.replica(1).tick();
    cluster.drain(1);
    let beats: Vec<_> = cluster.net.drain(..).collect();
    for beat in beats {
        if beat.to() == PeerId(3) && beat.kind() == MessageKind::Heartbeat {
            cluster.deliver(beat);
        }
    }
    let answer = cluster.net.pop_front().expect("an answer");
    let failure = cluster.replica(1).step(answer).unwrap_err();
    assert!(matches!(failure, Error::Log(_)), "{failure:?}");
    assert_eq!(cluster.replica(1).failure(), Some(failure.clone()));
    assert!(!cluster.replica(1).has_ready());
    assert_eq!(cluster.replica(1).propose(Bytes::from_static(b"x")), Err(failure));
    cluster.crash(1);
    cluster.ticks(45);
    assert!(cluster.leader().is_some(), "the others go on");
}

#[test]
fn a_panic_quarantines_the_replica() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cluster.replica(1).applied(Index(99));
    }));
    assert!(panicked.is_err());
    assert_eq!(cluster.replica(1).failure(), Some(Error::Poisoned));
    assert_eq!(cluster.replica(1).campaign(), Err(Error::Poisoned));
    cluster.replica(1).tick();
    assert!(cluster.replica(1).ready().is_none());
}

#[test]
fn a_start_that_contradicts_itself_is_refused() {
    use consensus::{Replica, Start};
    use types::Term;
    let good = Start {
        hard_state: types::HardState { term: Term(3), vote: None, commit: Index(4) },
        conf_state: voters(&[1, 2]),
        first: Index(3),
        prev_term: Term(2),
        last: Index(6),
        last_term: Term(3),
        applied: Index(4),
        fresh: false,
    };
    let start = |change: fn(&mut Start)| {
        let mut start = good.clone();
        change(&mut start);
        let log = Box::new(crate::cluster::Shared::default());
        Replica::new(config(Guards::default()), start, log).map(drop)
    };
    assert_eq!(start(|_| {}), Ok(()));
    let bad: [fn(&mut Start); 9] = [
        |start| *start = Start { conf_state: voters(&[1]), ..Start::default() },
        |start| start.hard_state.commit = Index(7),
        |start| start.applied = Index(1),
        |start| start.applied = Index(7),
        |start| start.last = Index(1),
        |start| start.last_term = Term(4),
        |start| start.last_term = Term(1),
        |start| start.prev_term = Term(0),
        |start| start.conf_state.learners = vec![PeerId(1)],
    ];
    for (at, change) in bad.into_iter().enumerate() {
        assert!(matches!(start(change), Err(Error::BadStart(_))), "case {at}");
    }
}
