//! Lists that were appended to: what is there in the end holds every acknowledged element once, every read
//! was a beginning of it, and nobody saw less than what was there before he asked.

use std::collections::BTreeMap;

use serde::Serialize;

use super::State;
use crate::ledger::{Ledger, Outcome};
use crate::work::lists::{Did, Step, elements_of, mark_of};

#[derive(Default, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) lists: u64,
    pub(crate) elements: u64,
    pub(crate) reads: u64,
    /// Acknowledged and not there.
    pub(crate) missing: u64,
    /// There more than once.
    pub(crate) twice: u64,
    /// There, and nobody appended them, or was told that it was done or might be.
    pub(crate) invented: u64,
    /// Reads that are no beginning of what is there in the end.
    pub(crate) other: u64,
    /// Steps that saw, or made, less than what was there before they began, or more than was begun.
    pub(crate) out_of_time: u64,
}

pub(crate) fn verify(ledger: &Ledger, state: &State, wrong: &mut Vec<String>) -> Counted {
    let mut counted = Counted::default();
    for (key, steps) in ledger.lists.lock().iter() {
        let there = match state.get(key).map(|kv| elements_of(&kv.value)) {
            Some(Some(there)) => there,
            Some(None) => {
                wrong.push(format!("{key} has a value that nobody wrote"));
                continue;
            }
            None => Vec::new(),
        };
        counted.lists += 1;
        counted.elements += there.len() as u64;
        one_list(key, steps, &there, &mut counted, wrong);
    }
    counted
}

fn one_list(
    key: &str,
    steps: &[Step],
    there: &[u64],
    counted: &mut Counted,
    wrong: &mut Vec<String>,
) {
    let mut note = |what: &str, step: &dyn std::fmt::Debug, count: &mut u64| {
        *count += 1;
        if *count <= 20 {
            wrong.push(format!("{key}: {what}: {step:?}"));
        }
    };
    let mut places = BTreeMap::new();
    for (place, element) in there.iter().enumerate() {
        if places.insert(*element, place).is_some() {
            note("there more than once", element, &mut counted.twice);
        }
    }
    // Of each element, when somebody began to append it; those that certainly were not are left out.
    let mut begun = BTreeMap::new();
    for step in steps {
        let Did::Append { element, outcome } = step.did else { continue };
        match outcome {
            Outcome::Acknowledged if !places.contains_key(&element) => {
                note("acknowledged and not there", step, &mut counted.missing);
            }
            Outcome::Acknowledged | Outcome::Unknown => drop(begun.insert(element, step.start)),
            Outcome::Conflict | Outcome::Refused => {}
        }
    }
    for element in there.iter().filter(|element| !begun.contains_key(*element)) {
        note("there, and not appended", element, &mut counted.invented);
    }
    let marks: Vec<u64> = there
        .iter()
        .scan(0, |mark, element| {
            *mark = mark_of(*mark, *element);
            Some(*mark)
        })
        .collect();
    // How long the list was for certain when each step ended: what it saw, or made.
    let mut ended = Vec::new();
    for step in steps {
        let count = match step.did {
            Did::Read { count, mark } => {
                counted.reads += 1;
                let expected = if count == 0 { Some(&0) } else { marks.get(count - 1) };
                if expected != Some(&mark) {
                    note("no beginning of what is there", step, &mut counted.other);
                    continue;
                }
                let newest = count.checked_sub(1).and_then(|last| begun.get(&there[last]));
                if newest.is_some_and(|begun| *begun > step.end) {
                    note("seen before it was appended", step, &mut counted.out_of_time);
                }
                count
            }
            Did::Append { element, outcome: Outcome::Acknowledged } => match places.get(&element) {
                Some(place) => place + 1,
                None => continue,
            },
            Did::Append { .. } => continue,
        };
        ended.push((step.end, count, step));
    }
    ended.sort_unstable_by_key(|(end, ..)| *end);
    let mut most = 0;
    let longest: Vec<(u64, usize)> = ended
        .iter()
        .map(|(end, count, _)| {
            most = most.max(*count);
            (*end, most)
        })
        .collect();
    for (_, count, step) in &ended {
        let before = longest.partition_point(|(end, _)| *end < step.start);
        let least = before.checked_sub(1).map_or(0, |last| longest[last].1);
        if *count < least {
            note("less than what was there before", step, &mut counted.out_of_time);
        }
    }
}
