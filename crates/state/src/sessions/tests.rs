use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use types::{Batch, Code, Fault, Index, Op, RegionId, Revision};

use super::{Bounds, Sessions};
use crate::command::SessionTag;
use crate::keys;
use crate::response::{KeyValue, Outcome, Response};

const REGION: RegionId = RegionId(2);
const SMALL: Bounds = Bounds { sessions: 4, bytes: 3_000 };

/// All that answers can depend on.
fn memory(sessions: &Sessions) -> String {
    let mut text = String::new();
    for (client, session) in &sessions.sessions {
        let (floor, doubtful, used) = (session.floor, session.doubtful, session.last_used);
        text += &format!("{client}: {floor} {doubtful} {used:?}");
        for (sequence, kept) in &session.outcomes {
            text += &format!(" {sequence}={:?}", kept.outcome);
        }
        text += "\n";
    }
    let by_use: Vec<_> = sessions.by_use.iter().collect();
    format!("{text}{by_use:?} {} {:?}", sessions.bytes, sessions.dropped)
}

fn outcome(bytes: usize) -> Outcome {
    let prev = KeyValue { value: vec![1; bytes].into(), ..KeyValue::default() };
    Outcome { revision: Revision(7), result: Ok(Response::Put { prev: Some(prev) }) }
}

fn load(engine: &BTreeMap<Bytes, Bytes>) -> Sessions {
    let mut sessions = Sessions::bounded(SMALL);
    for (key, value) in engine {
        sessions.load(keys::session_index(key).unwrap(), value.clone()).unwrap();
    }
    sessions.loaded();
    sessions
}

#[derive(Clone, Debug)]
struct Step {
    client: u64,
    sequence: u64,
    acknowledged: u64,
    again: bool,
    bytes: usize,
    finish: bool,
    restart: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0_usize..50, 1 => 600_usize..900, 1 => Just(5_000_usize)];
    (0_u64..7, 1_u64..30, 0_u64..40, bytes, any::<(bool, bool)>(), 0_u8..8).prop_map(
        |(client, sequence, acknowledged, bytes, (finish, again), restart)| Step {
            client,
            sequence,
            acknowledged: if acknowledged < sequence { acknowledged } else { 0 },
            again,
            bytes,
            finish,
            restart: restart == 0,
        },
    )
}

proptest! {
    /// However the log was cut into batches and whenever it restarted, the same is remembered; and
    /// the engine keeps no record in which nothing is needed.
    #[test]
    fn a_restart_forgets_and_invents_nothing(steps in prop::collection::vec(step(), 1..200)) {
        let mut straight = Sessions::bounded(SMALL);
        let mut sessions = Sessions::bounded(SMALL);
        let mut engine = BTreeMap::new();
        for (at, step) in steps.into_iter().enumerate() {
            let index = Index(at as u64 + 1);
            let Step { client, sequence, acknowledged, again, .. } = step;
            let tag = SessionTag { client, sequence, acknowledged, again };
            let seen = straight.seen(&tag);
            prop_assert_eq!(&sessions.seen(&tag), &seen);
            if seen.is_none() {
                straight.keep(&tag, index, &outcome(step.bytes));
                sessions.keep(&tag, index, &outcome(step.bytes));
            }
            prop_assert_eq!(memory(&sessions), memory(&straight));
            prop_assert!(sessions.sessions.len() <= SMALL.sessions);
            prop_assert!(sessions.bytes <= SMALL.bytes || sessions.sessions.len() == 1);
            if !step.finish {
                continue;
            }
            let mut batch = Batch::default();
            sessions.finish(REGION, index, &mut batch);
            for op in batch.ops {
                match op {
                    Op::Put(key, value) => { engine.insert(key, value); }
                    Op::Delete(key) => prop_assert!(engine.remove(&key).is_some()),
                }
            }
            let kept: usize = sessions.sessions.values().map(|it| 1 + it.outcomes.len()).sum();
            prop_assert!(engine.len() <= kept, "{} records for {kept} things", engine.len());
            prop_assert_eq!(sessions.needed.values().sum::<usize>(), kept);
            if step.restart {
                sessions = load(&engine);
                prop_assert_eq!(memory(&sessions), memory(&straight));
            }
        }
    }
}

#[test]
fn what_is_large_or_far_behind_is_refused_instead_of_done_again() {
    let mut sessions = Sessions::default();
    let tag = |sequence| SessionTag { client: 1, sequence, acknowledged: 0, again: false };
    sessions.keep(&tag(1), Index(1), &outcome(5_000));
    let refused = |code: Code| Some(Err(Fault::from(code)));
    assert_eq!(sessions.seen(&tag(1)), refused(Code::OutcomeNotKept));
    sessions.keep(&tag(4_097), Index(2), &outcome(1));
    assert_eq!(sessions.seen(&tag(1)), refused(Code::SessionExpired));
    assert_eq!(sessions.seen(&tag(2)), None);
    assert_eq!(sessions.seen(&tag(4_097)), Some(Ok(outcome(1))));
}

#[test]
fn the_session_unused_the_longest_goes_first() {
    let mut sessions = Sessions::bounded(SMALL);
    let tag = |client| SessionTag { client, sequence: 1, acknowledged: 0, again: false };
    for client in 1..=4 {
        sessions.keep(&tag(client), Index(client), &outcome(1));
    }
    let again = SessionTag { client: 1, sequence: 2, acknowledged: 0, again: false };
    sessions.keep(&again, Index(5), &outcome(1));
    sessions.keep(&tag(5), Index(6), &outcome(1));
    assert_eq!(sessions.seen(&tag(2)), None);
    assert_eq!(sessions.seen(&tag(1)), Some(Ok(outcome(1))));
    assert_eq!(sessions.sessions.keys().copied().collect::<Vec<_>>(), [1, 3, 4, 5]);
}

#[test]
fn a_child_remembers_what_its_parent_did_as_far_as_one_record_goes() {
    let mut parent = Sessions::bounded(SMALL);
    for (at, client) in [(10, 1), (11, 2), (12, 1), (13, 3)] {
        let tag = SessionTag { client, sequence: at, acknowledged: 0, again: false };
        parent.keep(&tag, Index(at), &outcome(20));
    }
    let store = |mut child: Sessions| {
        let mut batch = Batch::default();
        let before = memory(&child);
        child.finish(REGION, Index(14), &mut batch);
        let records = batch.ops.into_iter().filter_map(|op| match op {
            Op::Put(key, value) => Some((key, value)),
            Op::Delete(_) => None,
        });
        let loaded = load(&records.collect());
        assert_eq!(memory(&loaded), before);
        loaded
    };
    let all = store(parent.copied(usize::MAX));
    assert_eq!(memory(&all), memory(&parent));
    let recent = store(parent.copied(480));
    assert_eq!(recent.sessions.keys().copied().collect::<Vec<_>>(), [1, 3]);
    // Client 2's session is as one that was dropped for want of room.
    assert_eq!(recent.dropped, Index(11));
}

/// Once any session was dropped, nobody knows of one that is not there whether it ever was: what is asked for
/// again is refused, and not done twice.
#[test]
fn what_is_asked_for_again_after_its_session_was_dropped_is_refused_and_what_is_new_is_not() {
    let mut sessions = Sessions::bounded(SMALL);
    let tag = |client, again| SessionTag { client, sequence: 1, acknowledged: 0, again };
    assert_eq!(sessions.seen(&tag(9, true)), None, "the first time did not get here");
    for client in 1..=5 {
        sessions.keep(&tag(client, false), Index(client), &outcome(1));
    }
    assert_eq!(sessions.seen(&tag(1, true)), Some(Err(Code::SessionExpired.into())));
    assert_eq!(sessions.seen(&tag(5, true)), Some(Ok(outcome(1))));
    assert_eq!(sessions.seen(&tag(6, false)), None);
}

/// A session that begins after one of the same client was dropped does not know what that one knew, either.
#[test]
fn a_later_command_does_not_make_an_earlier_one_new() {
    let mut sessions = Sessions::bounded(SMALL);
    let tag = |client, sequence, again| SessionTag { client, sequence, acknowledged: 4, again };
    sessions.keep(&tag(9, 5, false), Index(1), &outcome(1));
    for client in 1..=5 {
        let first = SessionTag { client, sequence: 1, acknowledged: 0, again: false };
        sessions.keep(&first, Index(1 + client), &outcome(1));
    }
    assert_eq!(sessions.seen(&tag(9, 6, false)), None);
    sessions.keep(&tag(9, 6, false), Index(10), &outcome(1));
    let refused = Some(Err(Fault::from(Code::SessionExpired)));
    assert_eq!(sessions.seen(&tag(9, 5, true)), refused, "it was carried out");
    assert_eq!(sessions.seen(&tag(9, 7, false)), None);
    // What cannot have been sent before the session began is as good as new.
    assert_eq!(sessions.seen(&tag(9, 7 + 4_096, true)), None);
    // One that began with the client's first command knows all of it.
    assert_eq!(sessions.seen(&SessionTag { acknowledged: 0, ..tag(5, 2, true) }), None);
}
