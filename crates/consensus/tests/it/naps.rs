//! A follower that sleeps without the library's node is the same one when it wakes.

use consensus::{Config, Guards, MessageKind, Ready, Replica, Role, Start, Status};
use types::{ConfState, Incarnation, Index, PeerId, RegionId, Term};

use crate::cluster::{Log, Shared};
use crate::craft::{Craft, entry};

/// A follower of 2 in term 3 that voted for it, with nothing under way.
fn quiet_follower() -> (Replica, Shared) {
    let log = Shared::default();
    *log.0.lock().unwrap() = Log { prev: (Index(1), Term(1)), ..Log::default() };
    // What it hears binds it as long as it sleeps; here it is asked at once.
    let guards = Guards { keep_promises: false, ..Guards::default() };
    let config = Config { guards, ..Config::new(RegionId(7), PeerId(1), 9, Incarnation(5)) };
    let peers = ConfState {
        voters: vec![PeerId(1), PeerId(2), PeerId(3)],
        learners: vec![PeerId(4)],
        ..ConfState::default()
    };
    let mut replica = Replica::new(config, Start::bootstrap(peers), Box::new(log.clone())).unwrap();
    let mut vote = Craft::new(MessageKind::Vote, 2, 1, 3);
    (vote.index, vote.log_term) = (1, 1);
    replica.step(vote.message()).unwrap();
    settle(&mut replica, &log);
    let append = Craft::append((2, 1, 3), (1, 1), vec![entry(2, 3, ""), entry(3, 3, "x")], 2);
    replica.step(append).unwrap();
    settle(&mut replica, &log);
    let mut beat = Craft::new(MessageKind::Heartbeat, 2, 1, 3);
    beat.commit = 3;
    replica.step(beat.message()).unwrap();
    settle(&mut replica, &log);
    (replica, log)
}

/// Everything it wants done is done.
fn settle(replica: &mut Replica, log: &Shared) -> Vec<Ready> {
    let mut all = Vec::new();
    while let Some(ready) = replica.ready() {
        log.0.lock().unwrap().entries.extend(ready.entries.iter().cloned());
        replica.persisted(ready.number);
        if let Some(last) = ready.committed.last() {
            replica.applied(last.index);
        }
        all.push(ready);
    }
    all
}

fn seen(replica: &Replica) -> (Status, bool, bool, Index) {
    let quiet = (replica.is_quiet(), replica.has_ready());
    (replica.status(), quiet.0, quiet.1, replica.safe_to_compact())
}

#[test]
fn it_looks_the_same_asleep_and_takes_less() {
    let (mut replica, _) = quiet_follower();
    replica.sleep();
    let (before, bytes) = (seen(&replica), replica.memory_bytes());
    assert!(before.1 && !before.2, "{before:?}");
    assert_eq!(before.0.leader, Some(PeerId(2)));
    replica.nap();
    assert_eq!(seen(&replica), before);
    assert!(replica.memory_bytes() * 2 < bytes, "{} of {bytes} bytes", replica.memory_bytes());
    replica.nap();
    replica.wake(100, false);
    assert_eq!(seen(&replica).0, before.0);
}

#[test]
fn it_keeps_its_vote_and_goes_on_with_its_log() {
    let (mut replica, log) = quiet_follower();
    let mut numbers = vec![0];
    for round in 0..3 {
        replica.sleep();
        replica.nap();
        // Another candidate of the same term, with all of the log.
        let mut vote = Craft::new(MessageKind::Vote, 3, 1, 3);
        (vote.index, vote.log_term) = (3 + round, 3);
        replica.step(vote.message()).unwrap();
        for ready in settle(&mut replica, &log) {
            let mut all = ready.messages.iter().chain(&ready.messages_after_persist);
            assert!(all.all(|it| it.kind() != MessageKind::VoteResponse || it.is_refusal()));
            numbers.push(ready.number);
        }
        assert_eq!((replica.term(), replica.leader()), (Term(3), Some(PeerId(2))));
        let index = 4 + round;
        let append = Craft::append((2, 1, 3), (index - 1, 3), vec![entry(index, 3, "y")], index);
        replica.nap();
        replica.step(append).unwrap();
        let done = settle(&mut replica, &log);
        numbers.extend(done.iter().map(|ready| ready.number));
        let written: Vec<_> = done.iter().flat_map(|ready| &ready.entries).collect();
        assert_eq!(written.len(), 1);
        assert_eq!(replica.status().applied, Index(index), "{:?}", replica.status());
        assert_eq!(replica.status().persisted, Index(index));
    }
    assert!(numbers.is_sorted(), "{numbers:?}: numbers of what is written never go back");
}

#[test]
fn nobody_naps_with_something_under_way() {
    let (mut replica, log) = quiet_follower();
    replica.step(Craft::append((2, 1, 3), (3, 3), vec![entry(4, 3, "z")], 3)).unwrap();
    let bytes = replica.memory_bytes();
    replica.nap();
    assert_eq!(replica.memory_bytes(), bytes, "it has something to write");
    let ready = replica.ready().unwrap();
    replica.nap();
    log.0.lock().unwrap().entries.extend(ready.entries.iter().cloned());
    replica.persisted(ready.number);
    assert_eq!(replica.status().persisted, Index(4));
    settle(&mut replica, &log);
    let bytes = replica.memory_bytes();
    replica.nap();
    assert_eq!(replica.memory_bytes(), bytes, "the last entry is not known to be committed");
}

#[test]
fn its_log_is_cut_while_it_naps_and_it_can_still_stand() {
    let (mut replica, log) = quiet_follower();
    replica.sleep();
    replica.nap();
    let bytes = replica.memory_bytes();
    replica.compact(Index(2));
    assert_eq!(replica.memory_bytes(), bytes, "nobody wakes for it");
    assert_eq!(replica.status().first, Index(3));
    replica.compact(Index(3));
    assert_eq!((replica.status().first, replica.status().last_term), (Index(4), Term(3)));
    replica.wake(100, true);
    replica.campaign().unwrap();
    let done = settle(&mut replica, &log);
    assert_eq!(replica.role(), Role::PreCandidate);
    let asked: Vec<_> = done.iter().flat_map(|ready| &ready.messages).map(|it| it.to()).collect();
    assert_eq!(asked, [PeerId(2), PeerId(3)]);
}

#[test]
fn who_unwinds_while_its_log_is_cut_is_set_aside_asleep_or_awake() {
    for naps in [false, true] {
        let (mut replica, _) = quiet_follower();
        if naps {
            replica.sleep();
            replica.nap();
        }
        let cut = std::panic::AssertUnwindSafe(|| replica.compact(Index(9)));
        assert!(std::panic::catch_unwind(cut).is_err(), "nothing is applied up to there");
        assert_eq!(replica.failure(), Some(consensus::Error::Poisoned));
        assert!(!replica.has_ready() && replica.campaign().is_err());
    }
}
