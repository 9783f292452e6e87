//! The guard rules of the architecture, §4. Each scenario holds with its rule, and fails without.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use consensus::{ConfChange, Error, Guards, Message, MessageKind, Role};
use types::{Entry, EntryKind, Index, PeerId};

use crate::cluster::{Cluster, config, voters};
use crate::craft::{Craft, entry};

fn rule(name: &str, scenario: fn(Guards) -> bool) {
    assert!(scenario(Guards::default()), "does not hold, with the rule on");
    let without = Guards::without(name).expect("a rule's name");
    let outcome = catch_unwind(AssertUnwindSafe(|| scenario(without)));
    assert!(!matches!(outcome, Ok(true)), "nothing is wrong without {name}");
}

#[test]
fn every_rule_has_a_switch_and_a_name() {
    let all: Vec<_> = Guards::NAMES.iter().filter_map(|name| Guards::without(name)).collect();
    assert_eq!(all.len(), Guards::NAMES.len());
    for (at, guards) in all.iter().enumerate() {
        assert_ne!(*guards, Guards::default());
        assert!(!all[..at].contains(guards));
    }
    assert_eq!(Guards::without("none"), None);
}

/// Entries put onto a queued empty append, whose previous index is another: the follower would
/// acknowledge entries it does not have.
#[test]
fn rule_1_appends_are_never_glued_together() {
    rule("single_appends", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.lose = Some(Box::new(|message| message.to() == PeerId(2)));
        cluster.put(1, "peer 2 misses this");
        cluster.propose(1, "and so cannot take this");
        cluster.lose = None;
        let mut answers = Vec::new();
        while let Some(message) = cluster.net.pop_front() {
            if message.to() == PeerId(1) {
                answers.push(message);
            } else {
                cluster.deliver(message);
            }
        }
        // Peer 3's makes an empty append to tell of the commit, peer 2's makes one with entries,
        // both before the leader sends anything.
        answers.sort_by_key(|message| core::cmp::Reverse(message.from()));
        for answer in answers {
            cluster.replica(1).step(answer).unwrap();
        }
        cluster.drain(1);
        assert!(cluster.net.iter().any(|message| message.entries().is_some()));
        cluster.net.iter().all(|message| Message::decode(&message.encode()).is_ok())
    });
}

#[test]
fn rule_2_election_timeouts_come_from_the_seed() {
    rule("seeded_timeouts", |guards| {
        let timeouts = |seed| {
            let mut config = config(guards);
            config.seed = seed;
            let mut cluster = Cluster::with(&[1, 2, 3], config);
            let mut seen = Vec::new();
            for term in 2..40 {
                let beat = Craft::new(MessageKind::Heartbeat, 2, 1, term).message();
                cluster.replica(1).step(beat).unwrap();
                seen.push(cluster.replica(1).status().election_timeout);
            }
            seen
        };
        let (first, again, other) = (timeouts(1), timeouts(1), timeouts(2));
        assert!(first.iter().all(|timeout| (10..20).contains(timeout)));
        first == again && first != other
    });
}

#[test]
fn rule_3_a_leader_does_not_propose_its_own_removal() {
    rule("transfer_before_removal", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        let leader = cluster.replica(1);
        for change in [ConfChange::remove(PeerId(1)), ConfChange::add_learner(PeerId(1))] {
            if leader.propose_conf_change(change, Bytes::new()) != Err(Error::TransferFirst) {
                return false;
            }
        }
        true
    });
}

/// The new leader finds its own removal in the log, proposed by the one before.
#[test]
fn rule_3_a_leader_steps_down_when_its_removal_is_applied() {
    rule("step_down_when_removed", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.lose = Some(Box::new(|message| message.to() == PeerId(1)));
        let removal = ConfChange::remove(PeerId(2));
        cluster.replica(1).propose_conf_change(removal, Bytes::new()).unwrap();
        cluster.settle();
        cluster.crash(1);
        (0..10).for_each(|_| cluster.replica(3).tick());
        cluster.replica(2).campaign().unwrap();
        cluster.settle();
        assert_eq!(cluster.node(2).conf, voters(&[1, 3]));
        let stepped_down = cluster.replica(2).role() == Role::Follower;
        // The library panics here, or keeps a leader that is no member.
        let refused = matches!(
            cluster.replica(2).propose(Bytes::from_static(b"x")),
            Err(Error::NotLeader { .. })
        );
        cluster.heal();
        cluster.start(1);
        cluster.ticks(60);
        let leader = cluster.leader().expect("the others go on");
        cluster.put(leader, "without peer 2");
        stepped_down
            && refused
            && leader != 2
            && cluster.node(leader).values() == ["without peer 2"]
    });
}

/// A follower asks twice; the answer to the first attempt must not pass for that to the second.
#[test]
fn rule_4_a_read_context_is_never_used_twice() {
    rule("unique_reads", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.lose = Some(Box::new(|message| message.kind() == MessageKind::HeartbeatResponse));
        cluster.replica(3).read_index().unwrap();
        cluster.settle();
        let written = cluster.put(1, "written before the second attempt");
        let second = cluster.replica(3).read_index().unwrap();
        cluster.settle();
        cluster.heal();
        cluster.ticks(3);
        let answers: Vec<_> =
            cluster.node(3).reads.iter().filter(|(context, _)| *context == second).collect();
        matches!(answers[..], [(_, index)] if *index >= written)
    });
}

/// The same after a restart, which starts counting anew.
#[test]
fn rule_4_a_read_context_is_not_repeated_by_the_next_run() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.lose = Some(Box::new(|message| message.kind() == MessageKind::HeartbeatResponse));
    cluster.replica(3).read_index().unwrap();
    cluster.settle();
    cluster.restart(3);
    let written = cluster.put(1, "written before the restarted peer asks");
    cluster.tick();
    cluster.replica(3).read_index().unwrap();
    cluster.settle();
    cluster.heal();
    cluster.ticks(3);
    let reads = &cluster.node(3).reads;
    assert!(matches!(reads[..], [(_, index)] if index >= written), "{reads:?}");
}

#[test]
fn rule_4_every_read_ends() {
    rule("bounded_reads", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        // Lost on the way.
        cluster.isolate(3);
        let lost = cluster.replica(3).read_index().unwrap();
        cluster.ticks(10);
        let timed_out = cluster.node(3).reads_failed == [lost];
        cluster.heal();
        // Dropped with the leadership.
        cluster.ticks(3);
        cluster.lose = Some(Box::new(|message| message.kind() == MessageKind::HeartbeatResponse));
        let asked = cluster.replica(1).read_index().unwrap();
        cluster.settle();
        cluster.replica(1).transfer_leadership(PeerId(2)).unwrap();
        cluster.settle();
        let dropped = cluster.node(1).reads_failed == [asked];
        // Not taken before there is a commit in the leader's own term.
        cluster.lose = Some(Box::new(|message| message.kind() == MessageKind::AppendResponse));
        cluster.replica(2).transfer_leadership(PeerId(1)).unwrap();
        cluster.settle();
        assert!(cluster.replica(1).is_leader());
        let early = cluster.replica(1).read_index() == Err(Error::NotReadyToRead);
        timed_out && dropped && early
    });
}

/// A leader whose clock stands still while the others elect a new one.
#[test]
fn rule_5_a_read_is_confirmed_by_a_quorum_not_by_a_clock() {
    rule("quorum_reads", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.isolate(1);
        for _ in 0..40 {
            for id in [2, 3] {
                cluster.replica(id).tick();
                cluster.drain(id);
            }
            cluster.settle();
        }
        assert!(cluster.replica(1).is_leader());
        let new = if cluster.replica(2).is_leader() { 2 } else { 3 };
        cluster.put(new, "the old leader does not have this");
        cluster.replica(1).read_index().unwrap();
        cluster.settle();
        cluster.node(1).reads.is_empty()
    });
}

/// Peer 2 acknowledged the leader's heartbeat and restarts: the leader still counts on it.
#[test]
fn rule_5_a_restarted_voter_refuses_votes_for_as_long_as_it_may_have_promised() {
    rule("settle_after_restart", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.cut = [(1, 3), (3, 1)].into();
        cluster.ticks(25);
        assert!(cluster.replica(1).is_leader(), "peer 2 listens to the leader, not to peer 3");
        cluster.isolate(1);
        cluster.restart(2);
        let asked = cluster.replica(2).campaign();
        for _ in 0..4 {
            cluster.replica(3).campaign().unwrap();
            cluster.tick();
            if cluster.replica(3).is_leader() {
                return false;
            }
        }
        cluster.ticks(40);
        asked == Err(Error::Settling) && matches!(cluster.leader(), Some(2 | 3))
    });
}

/// Peer 2 acknowledged the leader's heartbeat, and then gets an answer, long on its way, to a question of
/// its own from before: somebody reached a higher term. The library forgets its leader over that.
#[test]
fn rule_5_a_voter_keeps_its_promise_to_a_leader_it_was_made_to_forget() {
    rule("keep_promises", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.replica(1).bind();
        cluster.ticks(2);
        cluster.isolate(2);
        let mut late = Craft::new(MessageKind::PreVoteResponse, 3, 2, 7);
        late.flags = 1;
        cluster.replica(2).step(late.message()).unwrap();
        assert_eq!((cluster.replica(2).leader(), cluster.replica(2).term().get()), (None, 7));
        for tick in 0..5 {
            let mut vote = Craft::new(MessageKind::Vote, 3, 2, 8);
            (vote.index, vote.log_term) = (9, 8);
            cluster.replica(2).step(vote.message()).unwrap();
            if cluster.replica(2).status().hard_state.vote == Some(PeerId(3)) {
                return false;
            }
            assert!(cluster.replica(2).is_bound(), "tick {tick}");
            cluster.replica(2).tick();
        }
        !cluster.replica(2).is_bound()
    });
}

#[test]
fn rule_5_sleep_passes_time_like_being_awake_and_promises_nothing_by_itself() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.replica(1).bind();
    cluster.ticks(2);
    cluster.crash(1);
    for id in [2, 3] {
        cluster.replica(id).sleep();
        cluster.replica(id).wake(4, true);
        assert!(cluster.replica(id).is_bound(), "four ticks are not five");
        cluster.replica(id).sleep();
        cluster.replica(id).wake(1, true);
        assert!(!cluster.replica(id).is_bound());
    }
    // The leader is known to be lost.
    cluster.ticks(7);
    assert!(cluster.replica(2).term().max(cluster.replica(3).term()).get() > 2);
    cluster.ticks(20);
    assert!(cluster.leader().is_some());
}

#[test]
fn rule_6_what_is_applied_is_committed_after_a_restart() {
    rule("commit_covers_applied", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        cluster.put(1, "a");
        cluster.crash(2);
        // The commit index is written without an fsync: the state may be newer.
        cluster.node(2).hard.commit = Index(2);
        cluster.start(2);
        let index = cluster.node(2).applied;
        cluster.replica(2).commit_index() == index && cluster.replica(2).ready().is_none()
    });
}

#[test]
fn rule_7_no_message_makes_the_library_panic() {
    rule("validate_messages", |guards| {
        let mut cluster = Cluster::led(&[1, 2, 3], config(guards));
        let last = cluster.replica(2).last_index();
        let mut beat = Craft::new(MessageKind::Heartbeat, 1, 2, 2);
        beat.commit = last.0 + 1;
        let lost = cluster.replica(2).step(beat.message());
        let foreign = Craft::new(MessageKind::Heartbeat, 1, 3, 2).message();
        let second = Craft::new(MessageKind::Heartbeat, 3, 2, 2).message();
        lost == Err(Error::LostLog { commit: last.next(), last })
            && matches!(cluster.replica(2).step(foreign), Err(Error::Refused { .. }))
            && matches!(cluster.replica(2).step(second), Err(Error::Refused { .. }))
    });
}

/// A sole voter needs nobody's vote, so nothing but this makes its own durable before its learner
/// gets entries of the new term.
#[test]
fn pitfall_1_a_leaders_appends_wait_for_its_own_vote() {
    rule("vote_before_appends", |guards| {
        let mut cluster = Cluster::with(&[], config(guards));
        let conf = types::ConfState { learners: vec![PeerId(2)], ..voters(&[1]) };
        cluster.add(1, conf.clone());
        cluster.add(2, conf);
        cluster.node(1).hold_writes = true;
        cluster.replica(1).campaign().unwrap();
        cluster.drain(1);
        cluster.replica(1).propose(Bytes::from_static(b"early")).unwrap();
        cluster.drain(1);
        let quiet = cluster.net.is_empty();
        cluster.flush(1);
        assert!(!cluster.net.is_empty());
        // From then on appends do not wait for their own write.
        cluster.settle();
        cluster.flush(1);
        cluster.settle();
        cluster.replica(1).propose(Bytes::from_static(b"late")).unwrap();
        cluster.drain(1);
        assert!(cluster.net.iter().any(|message| message.entries().is_some()));
        quiet
    });
}

/// Entries 3..=5 are written, replaced, and come back; the completion of the first write arrives
/// while the replacement is still to hit the disk.
#[test]
fn pitfall_2_an_older_write_does_not_acknowledge_a_rewritten_tail() {
    rule("ordered_persists", |guards| {
        let mut cluster = Cluster::with(&[1, 2, 3], config(guards));
        cluster.node(3).hold_writes = true;
        let old: Vec<_> = (2..=5).map(|index| entry(index, 2, "a")).collect();
        let between = vec![entry(3, 3, "b"), entry(4, 3, "b")];
        let mut back = old[1..].to_vec();
        back.push(entry(6, 4, ""));
        for message in [
            Craft::append((1, 3, 2), (1, 1), old, 0),
            Craft::append((2, 3, 3), (2, 2), between, 0),
            Craft::append((1, 3, 4), (2, 2), back, 5),
        ] {
            cluster.replica(3).step(message).unwrap();
            cluster.drain(3);
        }
        cluster.flush_one(3);
        cluster.drain(3);
        let held = cluster.replica(3).status().persisted <= Index(2);
        let applied = cluster.node(3).applied;
        cluster.flush(3);
        cluster.drain(3);
        assert_eq!(cluster.replica(3).status().persisted, Index(6));
        assert_eq!(cluster.node(3).applied, Index(5));
        held && applied <= Index(2)
    });
}

/// A crash must not bring a replica back to a configuration the others have left.
#[test]
fn pitfall_5_a_change_of_the_peers_waits_for_its_commit_to_be_durable() {
    rule("durable_conf_changes", |guards| {
        let mut cluster = Cluster::led(&[1], config(guards));
        cluster.node(1).hold_writes = true;
        let change = ConfChange::add_voter(PeerId(2));
        let (_, index) = cluster.replica(1).propose_conf_change(change, Bytes::new()).unwrap();
        cluster.replica(1).propose(Bytes::from_static(b"after it")).unwrap();
        cluster.drain(1);
        let mut early = false;
        while cluster.flush_one(1) {
            cluster.drain(1);
            let node = cluster.node(1);
            early |= node.conf != voters(&[1]) && node.hard.commit < index;
        }
        assert_eq!(cluster.node(1).conf, voters(&[1, 2]));
        assert_eq!(cluster.node(1).values(), ["after it"]);
        !early
    });
}

/// The library asserts a durable log when it makes a leader. Others see to that by waiting for
/// votes; a follower that becomes the only voter has nobody to wait for.
#[test]
fn no_election_while_the_log_is_being_written() {
    rule("settle_before_campaign", |guards| {
        let mut cluster = Cluster::with(&[1, 2], config(guards));
        let removal = Entry {
            kind: EntryKind::ConfChange,
            data: Bytes::from_static(&[0x12, 4, 0x08, 1, 0x10, 1]),
            ..entry(2, 2, "")
        };
        cluster.replica(2).step(Craft::append((1, 2, 2), (1, 1), vec![removal], 2)).unwrap();
        cluster.drain(2);
        assert_eq!(cluster.node(2).conf, voters(&[2]));
        cluster.node(2).hold_writes = true;
        let tail = Craft::append((1, 2, 2), (2, 2), vec![entry(3, 2, "tail")], 2);
        cluster.replica(2).step(tail).unwrap();
        cluster.drain(2);
        for _ in 0..50 {
            cluster.replica(2).tick();
        }
        let refused = cluster.replica(2).campaign() == Err(Error::Writing);
        cluster.node(2).hold_writes = false;
        cluster.flush(2);
        cluster.replica(2).tick();
        cluster.settle();
        refused && cluster.replica(2).is_leader()
    });
}
