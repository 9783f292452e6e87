//! Lists that all clients append to: each reads one, and writes it back with an element more if it is still
//! as it was read.

use std::sync::atomic::{AtomicU64, Ordering};

use client::{Client, Compare, Get, Operation, Put, Relation, Txn};

use super::LISTS;
use crate::ledger::{Kind, Ledger, Outcome};
use crate::random::Random;

const KEYS: usize = 4;
/// Then another list follows in its place.
const ELEMENTS: usize = 300;

/// Which generation of list stands at each key.
#[derive(Default)]
pub(crate) struct Lists([AtomicU64; KEYS]);

/// What one client did to a list, between two tickets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) did: Did,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Did {
    Append {
        element: u64,
        outcome: Outcome,
    },
    /// So many elements, and what [`mark_of`] says of them.
    Read {
        count: usize,
        mark: u64,
    },
}

/// A number for a list from one for the list without its last element; 0 for that without any.
pub(crate) fn mark_of(before: u64, element: u64) -> u64 {
    Random::new(before.rotate_left(1) ^ element).next()
}

/// The elements of a list as it is written: its last element first, as the number that every value carries.
pub(crate) fn elements_of(value: &[u8]) -> Option<Vec<u64>> {
    let (last, all) = std::str::from_utf8(value).ok()?.split_once('|')?;
    let all: Vec<u64> = all.split(',').map(|it| it.parse().ok()).collect::<Option<_>>()?;
    (all.last()?.to_string() == last).then_some(all)
}

pub(crate) fn list_of(elements: &[u64]) -> String {
    let words: Vec<String> = elements.iter().map(u64::to_string).collect();
    format!("{}|{}", words.last().map_or("", String::as_str), words.join(","))
}

pub(crate) async fn step(client: &Client, ledger: &Ledger, lists: &Lists, random: &mut Random) {
    let at = usize::try_from(random.below(KEYS as u64)).unwrap_or(0);
    let Some(generation) = lists.0.get(at) else { return };
    let number = generation.load(Ordering::SeqCst);
    let key = format!("{LISTS}{at}/{number:05}");
    let start = ledger.ticket();
    let found = match client.get(Get::key(key.clone())).await {
        Ok(found) => found,
        Err(error) => {
            ledger.failed(Kind::ListGet, &error);
            return;
        }
    };
    ledger.count(Kind::ListGet, Outcome::Acknowledged);
    let (revision, elements) = match found.kvs.first() {
        Some(kv) => (kv.mod_revision, elements_of(&kv.value)),
        None => (0, Some(Vec::new())),
    };
    let Some(mut elements) = elements else {
        ledger.violation(format!("{key} has a value that nobody wrote"));
        return;
    };
    let mark = elements.iter().fold(0, |mark, element| mark_of(mark, *element));
    let did = Did::Read { count: elements.len(), mark };
    note(ledger, &key, Step { start, end: ledger.ticket(), did });
    if elements.len() >= ELEMENTS {
        generation.fetch_max(number + 1, Ordering::SeqCst);
        return;
    }
    let element = ledger.value();
    elements.push(element);
    let txn = Txn::new()
        .when([Compare::mod_revision(key.clone(), Relation::Equal, revision)])
        .then([Operation::Put(Put::new(key.clone(), list_of(&elements)))]);
    let start = ledger.ticket();
    let outcome = match client.txn(txn).await {
        Ok(done) => {
            let outcome = if done.succeeded { Outcome::Acknowledged } else { Outcome::Conflict };
            ledger.count(Kind::Append, outcome);
            if done.succeeded {
                ledger.write(&key, element, outcome, done.revision);
            }
            outcome
        }
        Err(error) => ledger.failed(Kind::Append, &error),
    };
    let did = Did::Append { element, outcome };
    note(ledger, &key, Step { start, end: ledger.ticket(), did });
}

fn note(ledger: &Ledger, key: &str, step: Step) {
    ledger.lists.lock().entry(key.to_owned()).or_default().push(step);
}
