//! A run that went well is judged well, and each lie is found: what finds nothing proves nothing.

use client::KeyValue;

use super::{State, counters, events, lists, unique};
use crate::ledger::{Ledger, Outcome};
use crate::work::lists::{Did, Step, list_of, mark_of};
use crate::work::{COUNTERS, Event, LISTS, UNIQUE, transfers, value_of};

fn key(name: &str) -> String {
    format!("{UNIQUE}{name}")
}

fn record(name: &str, value: u64, revision: i64) -> (String, KeyValue) {
    let value = value_of(value).into();
    let kv = KeyValue { value, mod_revision: revision, version: 1, ..KeyValue::default() };
    (key(name), kv)
}

/// Two acknowledged writes, one unknown that was carried out, one refused that was not.
fn run() -> (Ledger, State) {
    let ledger = Ledger::new();
    ledger.write(&key("a"), 1, Outcome::Acknowledged, 2);
    ledger.write(&key("b"), 2, Outcome::Acknowledged, 3);
    ledger.write(&key("c"), 3, Outcome::Unknown, 0);
    ledger.write(&key("d"), 4, Outcome::Refused, 0);
    (ledger, State::from([record("a", 1, 2), record("b", 2, 3), record("c", 3, 4)]))
}

#[test]
fn lost_changed_repeated_and_refused_writes_are_found() {
    let (ledger, good) = run();
    let judge = |state: &State| {
        let mut wrong = Vec::new();
        let counted = unique::verify(&ledger, state, &mut wrong);
        ([counted.missing, counted.wrong, counted.twice, counted.refused_found], wrong.len())
    };
    assert_eq!(judge(&good), ([0; 4], 0));
    let mut lost = good.clone();
    lost.remove(&key("a"));
    assert_eq!(judge(&lost), ([1, 0, 0, 0], 1));
    let mut changed = good.clone();
    changed.extend([record("a", 9, 2)]);
    assert_eq!(judge(&changed), ([0, 1, 0, 0], 1));
    let mut repeated = good.clone();
    repeated.entry(key("b")).and_modify(|kv| kv.version = 2);
    assert_eq!(judge(&repeated), ([0, 0, 1, 0], 1));
    let mut refused = good.clone();
    refused.extend([record("d", 4, 5)]);
    assert_eq!(judge(&refused), ([0, 0, 0, 1], 1));
    let mut moved = good;
    moved.extend([record("b", 2, 7)]);
    assert_eq!(judge(&moved), ([0; 4], 1));
}

#[test]
fn counters_may_be_off_by_unknown_additions_only() {
    let ledger = Ledger::new();
    let name = format!("{COUNTERS}0");
    {
        let mut counters = ledger.counters.lock();
        let added = counters.entry(name.clone()).or_default();
        (added.acknowledged, added.unknown) = (5, 1);
    }
    let off = |count: u64, version: i64| {
        let value = value_of(count).into();
        let kv = KeyValue { value, version, ..KeyValue::default() };
        let state = State::from([(name.clone(), kv)]);
        counters::verify(&ledger, &state, &mut Vec::new()).off
    };
    assert_eq!([off(5, 5), off(6, 6)], [0, 0]);
    assert_eq!([off(4, 4), off(7, 7), off(5, 6)], [1, 1, 1]);
}

#[test]
fn events_that_are_missing_repeated_out_of_order_or_invented_are_found() {
    let (ledger, state) = run();
    let event = |name: &str, value: u64, revision: i64| Event {
        revision,
        key: key(name),
        value: Some(value),
    };
    let truth = vec![event("a", 1, 2), event("b", 2, 3), event("c", 3, 4)];
    let judge = |told: Vec<Event>, replays: &[Vec<Event>]| {
        let mut wrong = Vec::new();
        let found = events::verify(&ledger, &[told], replays, &state, &mut wrong);
        let figures = [found.missing, found.twice, found.out_of_order, found.invented];
        (figures, found.writes_missing, wrong.len())
    };
    let whole = [truth.clone(), truth.clone()];
    assert_eq!(judge(truth.clone(), &whole), ([0; 4], 0, 0));
    assert_eq!(judge(truth[1..].to_vec(), &whole), ([1, 0, 0, 0], 0, 1));
    let repeated = [&truth[..], &truth[2..]].concat();
    assert_eq!(judge(repeated, &whole), ([0, 1, 0, 0], 0, 1));
    let swapped = vec![truth[0].clone(), truth[2].clone(), truth[1].clone()];
    assert_eq!(judge(swapped, &whole), ([0, 0, 1, 0], 0, 1));
    let invented = [&truth[..], &[event("e", 9, 9)]].concat();
    assert_eq!(judge(invented, &whole), ([0, 0, 0, 1], 0, 1));
    // One node tells another history than the first.
    assert_eq!(judge(truth.clone(), &[truth.clone(), truth[..2].to_vec()]), ([0; 4], 0, 1));
    // No node tells of a write that was acknowledged; and so its key is there without a history.
    let short = vec![truth[0].clone(), truth[2].clone()];
    assert_eq!(judge(short.clone(), &[short.clone(), short]), ([0; 4], 1, 2));
}

#[test]
fn money_that_comes_or_goes_is_found() {
    let accounts = |balances: &[u64]| -> Vec<KeyValue> {
        let account =
            |balance: &u64| KeyValue { value: value_of(*balance).into(), ..KeyValue::default() };
        balances.iter().map(account).collect()
    };
    let judge = |balances: &[u64]| transfers::judge(&accounts(balances), true);
    let mut balances = [1_000; 12];
    assert_eq!(judge(&balances), None);
    assert_eq!(transfers::judge(&[], false), None, "nobody opened them yet");
    assert!(judge(&[]).is_some(), "all are gone");
    (balances[3], balances[7]) = (0, 2_000);
    assert_eq!(judge(&balances), None);
    balances[3] = 1;
    let told = judge(&balances).unwrap();
    assert_eq!(told, "12 accounts with Some(12001) together");
    assert!(judge(&balances[..11]).is_some(), "one is not there");
}

#[test]
fn elements_of_lists_that_go_come_twice_or_back_in_time_are_found() {
    let list = format!("{LISTS}0/00000");
    let append =
        |start, end, element, outcome| Step { start, end, did: Did::Append { element, outcome } };
    let read = |start, end, seen: &[u64]| Step {
        start,
        end,
        did: Did::Read {
            count: seen.len(),
            mark: seen.iter().fold(0, |mark, element| mark_of(mark, *element)),
        },
    };
    let judge = |more: &[Step], there: &[u64]| {
        let ledger = Ledger::new();
        let mut steps = vec![
            read(1, 2, &[]),
            append(3, 6, 7, Outcome::Acknowledged),
            append(4, 9, 8, Outcome::Unknown),
            append(5, 8, 9, Outcome::Conflict),
            append(12, 14, 5, Outcome::Acknowledged),
        ];
        steps.extend(more);
        ledger.lists.lock().insert(list.clone(), steps);
        let value = list_of(there).into();
        let state = State::from([(list.clone(), KeyValue { value, ..KeyValue::default() })]);
        let mut wrong = Vec::new();
        let found = lists::verify(&ledger, &state, &mut wrong);
        let figures = [found.missing, found.twice, found.invented, found.other, found.out_of_time];
        assert_eq!(figures.iter().sum::<u64>(), wrong.len() as u64, "{wrong:?}");
        figures
    };
    assert_eq!(judge(&[], &[7, 8, 5]), [0; 5]);
    assert_eq!(judge(&[], &[7, 5]), [0; 5], "what is not known may not be there");
    assert_eq!(judge(&[read(10, 11, &[7, 8])], &[7, 8, 5]), [0; 5]);
    assert_eq!(judge(&[read(10, 13, &[7, 8, 5])], &[7, 8, 5]), [0; 5]);
    assert_eq!(judge(&[], &[7, 8]), [1, 0, 0, 0, 0], "acknowledged and gone");
    assert_eq!(judge(&[], &[7, 8, 5, 5]), [0, 1, 0, 0, 0]);
    assert_eq!(judge(&[], &[7, 9, 5]), [0, 0, 1, 0, 0], "a conflict, and carried out");
    assert_eq!(judge(&[], &[7, 4, 5]), [0, 0, 1, 0, 0], "nobody appended it");
    assert_eq!(judge(&[read(10, 11, &[8])], &[7, 8, 5]), [0, 0, 0, 1, 0]);
    assert_eq!(judge(&[read(10, 11, &[7, 8])], &[7, 5]), [0, 0, 0, 1, 0], "seen and gone");
    assert_eq!(judge(&[read(10, 11, &[])], &[7, 8, 5]), [0, 0, 0, 0, 1], "back in time");
    assert_eq!(judge(&[read(10, 11, &[7, 8, 5])], &[7, 8, 5]), [0, 0, 0, 0, 1], "ahead of time");
    assert_eq!(
        judge(&[], &[5, 7]),
        [0, 0, 0, 0, 1],
        "one after the other, and the other way round"
    );
}
