//! Bytes and messages no correct replica sends: none may panic, whatever the replica is doing.

use bytes::Bytes;
use consensus::{Guards, Message, MessageKind};
use proptest::collection::vec;
use proptest::prelude::*;
use types::{ConfState, Entry, EntryKind, PeerId};

use crate::cluster::{Cluster, config, voters};
use crate::craft::{Craft, entry};

/// One of each kind, as replicas send them.
fn corpus() -> Vec<Vec<u8>> {
    let base = |kind| Craft { log_term: 2, index: 9, commit: 7, ..Craft::new(kind, 1, 2, 3) };
    MessageKind::ALL
        .into_iter()
        .map(|kind| {
            let mut craft = base(kind);
            match kind {
                MessageKind::Append => {
                    craft.entries = vec![entry(10, 2, "value"), entry(11, 3, "")];
                    craft.entries[1].kind = EntryKind::ConfChange;
                }
                MessageKind::Snapshot => craft.snapshot = (12, 3, vec![1, 2, 300]),
                MessageKind::ReadIndex => {
                    (craft.term, craft.context) = (0, vec![5; 24]);
                }
                MessageKind::ReadIndexResponse | MessageKind::Heartbeat => {
                    craft.context = vec![5; 24];
                }
                MessageKind::Vote => craft.flags = 2,
                MessageKind::AppendResponse => (craft.flags, craft.hint) = (1, 8),
                _ => {}
            }
            craft.bytes()
        })
        .collect()
}

fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode(bytes) {
        prop_assert_eq!(message.encode(), bytes, "one form only");
        let _ = format!("{message:?} {:?} {}", message.snapshot_meta(), message.size_hint());
    }
    Ok(())
}

#[test]
fn the_corpus_is_valid_and_every_cut_of_it_is_not() {
    for bytes in corpus() {
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.encode(), bytes);
        assert!(message.size_hint() >= bytes.len());
        for len in 0..bytes.len() {
            assert!(Message::decode(&bytes[..len]).is_err(), "{message:?} cut to {len}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Message::decode(&longer).is_err());
    }
}

#[test]
fn what_rule_7_names_is_refused() {
    let append = |change: fn(&mut Craft)| {
        let mut craft = Craft::new(MessageKind::Append, 1, 2, 3);
        (craft.index, craft.log_term) = (9, 2);
        craft.entries = vec![entry(10, 2, "a"), entry(11, 3, "b")];
        change(&mut craft);
        craft.decode().map(drop)
    };
    assert_eq!(append(|_| {}), Ok(()));
    let bad: [fn(&mut Craft); 11] = [
        |craft| craft.entries[0].index.0 = 11,
        |craft| craft.entries[1].index.0 = 12,
        |craft| craft.entries[1].term.0 = 1,
        |craft| craft.entries[1].term.0 = 4,
        |craft| craft.from = 0,
        |craft| craft.to = 1,
        |craft| craft.term = 0,
        |craft| craft.log_term = 0,
        |craft| craft.index = 0,
        |craft| craft.log_term = 4,
        |craft| craft.commit = 1 << 62,
    ];
    for (at, change) in bad.into_iter().enumerate() {
        assert!(append(change).is_err(), "case {at}");
    }
}

#[test]
fn claimed_lengths_allocate_nothing() {
    // An append that says it has 2^60 entries.
    let mut bytes = Craft::new(MessageKind::Append, 1, 2, 3).bytes();
    bytes.pop();
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert!(Message::decode(&bytes).is_err());
}

#[derive(Clone, Debug)]
enum Action {
    Message(Craft),
    Tick(u8),
    Flush,
    Propose,
    Campaign,
    Restart,
}

fn weird() -> impl Strategy<Value = Craft> {
    let head = (1..=12_u8, 0..3_u8, 1..=4_u64, 2..=5_u64, 0..=3_u64);
    let tail = (0..=8_u64, 0..=10_u64, 0..=3_u64, 0..=8_u64);
    let body = (vec((0..=2_u64, any::<bool>()), 0..4), any::<bool>(), 0..=9_u64);
    (head, tail, body).prop_map(|(head, tail, body)| {
        let (kind, flags, to, term, log_term) = head;
        let (index, commit, commit_term, hint) = tail;
        let (kinds, has_context, snapshot) = body;
        let from = to % 4 + 1;
        // Mostly for the replica under test, and mostly possible, so that much gets through.
        let to = if to < 4 { 1 } else { 2 };
        let from = if from == to { 3 } else { from };
        let log_term = if index == 0 { 0 } else { log_term.clamp(1, term) };
        let mut last = log_term.max(1);
        let entries = kinds.iter().zip(index + 1..).map(|(&(step, change), at)| {
            last = (last + step / 2).min(term);
            let mut made = entry(at, last, "x");
            if change {
                made.kind = EntryKind::ConfChange;
                made.data =
                    Bytes::from(vec![0x12, 4, 0x08, (at % 3) as u8, 0x10, (at % 4) as u8 + 1]);
            }
            made
        });
        let flags = if matches!(kind, 3 | 5) { flags } else { flags & 1 };
        Craft {
            kind,
            flags,
            to,
            from,
            term: if kind == 11 { 0 } else { term },
            log_term,
            index,
            commit: if matches!(kind, 3 | 5) { commit.min(index) } else { commit },
            commit_term: if matches!(kind, 3 | 5) {
                commit_term.min(log_term)
            } else {
                commit_term
            },
            hint,
            entries: entries.collect::<Vec<Entry>>(),
            context: if has_context || kind > 10 { vec![hint as u8; 24] } else { vec![] },
            snapshot: (snapshot.max(1), term.min(log_term.max(1)), vec![1, 2, 3]),
        }
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => weird().prop_map(Action::Message),
        2 => (1..25_u8).prop_map(Action::Tick),
        2 => Just(Action::Flush),
        1 => Just(Action::Propose),
        1 => Just(Action::Campaign),
        1 => Just(Action::Restart),
    ]
}

/// A replica of three voters and a learner, alone with an enemy.
fn endure(actions: &[Action]) -> usize {
    let mut cluster = Cluster::with(&[], config(Guards::default()));
    let conf = ConfState { learners: vec![PeerId(4)], ..voters(&[1, 2, 3]) };
    cluster.add(1, conf);
    cluster.node(1).hold_writes = true;
    let mut taken = 0;
    for action in actions {
        match action {
            Action::Message(craft) => {
                if let Ok(message) = craft.decode() {
                    taken += usize::from(cluster.replica(1).step(message).is_ok());
                }
            }
            Action::Tick(count) => (0..*count).for_each(|_| cluster.replica(1).tick()),
            Action::Flush => cluster.flush(1),
            Action::Propose => drop(cluster.replica(1).propose(Bytes::from_static(b"p"))),
            Action::Campaign => drop(cluster.replica(1).campaign()),
            Action::Restart => cluster.restart(1),
        }
        cluster.drain(1);
        cluster.net.clear();
        assert_eq!(cluster.replica(1).failure(), None);
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        survives(&bytes)?;
    }

    #[test]
    fn damaged_messages(which in 0..12_usize, damage in vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = corpus().swap_remove(which);
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        survives(&bytes)?;
    }

    #[test]
    fn messages_that_no_correct_replica_sends(actions in vec(action(), 1..40)) {
        endure(&actions);
    }
}

#[test]
fn much_of_what_is_weird_gets_through() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut taken, mut sent) = (0, 0);
    for _ in 0..100 {
        let actions = vec(action(), 40).new_tree(&mut runner).unwrap().current();
        sent += actions.iter().filter(|action| matches!(action, Action::Message(_))).count();
        taken += endure(&actions);
    }
    assert!(taken * 4 > sent, "only {taken} of {sent} messages were taken in");
}
