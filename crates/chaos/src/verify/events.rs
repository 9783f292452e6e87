//! What watchers were told: everything, once, in order. Measured against what every node tells of
//! its history afterwards, and that against what was acknowledged and what is there.

use std::collections::BTreeSet;

use serde::Serialize;

use super::State;
use crate::ledger::{Ledger, Outcome};
use crate::work::{Event, number_of};

#[derive(Default, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) watchers: u64,
    /// Events told to all of them together.
    pub(crate) events: u64,
    pub(crate) missing: u64,
    pub(crate) twice: u64,
    pub(crate) out_of_order: u64,
    /// Events that are not in the history.
    pub(crate) invented: u64,
    /// Acknowledged writes that are not in the history.
    pub(crate) writes_missing: u64,
}

pub(super) fn verify(
    ledger: &Ledger,
    watched: &[Vec<Event>],
    replays: &[Vec<Event>],
    state: &State,
    wrong: &mut Vec<String>,
) -> Counted {
    let mut counted = Counted { watchers: watched.len() as u64, ..Counted::default() };
    let Some((history, others)) = replays.split_first() else { return counted };
    for (at, other) in others.iter().enumerate() {
        if other != history {
            let first = other.iter().zip(history).find(|(one, two)| one != two);
            wrong.push(format!(
                "server {} of those asked tells {} events, the first {}; first difference {first:?}",
                at + 2,
                other.len(),
                history.len()
            ));
        }
    }
    let truth: BTreeSet<&Event> = history.iter().collect();
    for (at, told) in watched.iter().enumerate() {
        one_watcher(at, told, &truth, &mut counted, wrong);
    }
    for write in ledger.writes.lock().iter() {
        let is_told = |revision| {
            let (key, value) = (write.key.clone(), Some(write.value));
            truth.contains(&Event { revision, key, value })
        };
        if write.outcome == Outcome::Acknowledged && !is_told(write.revision) {
            counted.writes_missing += 1;
            wrong.push(format!("not in the history: {write:?} was acknowledged"));
        }
    }
    last_of_each(history, state, wrong);
    counted
}

fn one_watcher(
    at: usize,
    told: &[Event],
    truth: &BTreeSet<&Event>,
    counted: &mut Counted,
    wrong: &mut Vec<String>,
) {
    counted.events += told.len() as u64;
    let mut seen = BTreeSet::new();
    let mut newest = 0;
    let mut note = |what: &str, event: &Event, count: &mut u64| {
        *count += 1;
        if *count <= 20 {
            wrong.push(format!("watcher {}: {what}: {event:?}", at + 1));
        }
    };
    for event in told {
        if event.revision < newest {
            note("out of order", event, &mut counted.out_of_order);
        }
        newest = newest.max(event.revision);
        if !truth.contains(event) {
            note("not in the history", event, &mut counted.invented);
        }
        if !seen.insert(event) {
            note("told twice", event, &mut counted.twice);
        }
    }
    for event in truth.iter().filter(|event| !seen.contains(**event)) {
        note("never told", event, &mut counted.missing);
    }
}

/// The history's last word on each key is what is there.
fn last_of_each(history: &[Event], state: &State, wrong: &mut Vec<String>) {
    let mut last = std::collections::BTreeMap::new();
    for event in history {
        last.insert(event.key.as_str(), event);
    }
    for key in state.keys().filter(|key| !last.contains_key(key.as_str())) {
        wrong.push(format!("{key} is there, and no history tells how it came"));
    }
    for (key, event) in last {
        let there = state.get(key).map(|kv| (kv.mod_revision, number_of(&kv.value)));
        let told = event.value.map(|value| (event.revision, Some(value)));
        if there != told {
            wrong.push(format!("{key}: the history ends with {told:?}, there is {there:?}"));
        }
    }
}
