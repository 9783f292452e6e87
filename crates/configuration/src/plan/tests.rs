use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use state::request::{Compare, CompareResult, CompareTarget, TxnOp, TxnRequest};
use types::{Code, Revision};

use super::{
    Base, Draft, delete_all, end_gray, promote_if_none_failed, release, report, set_schema,
    start_gray, take_back, widen,
};
use crate::record::{Gray, Head, Outcome, Report, SchemaRecord, decode};
use crate::{ContentType, Name, key};

/// Keys with values and the revisions that wrote them.
#[derive(Default)]
struct Keys {
    all: BTreeMap<Bytes, (Bytes, i64)>,
    revision: i64,
}

impl Keys {
    /// Carries a transaction out, if what it compares is so.
    fn run(&mut self, txn: &TxnRequest) -> bool {
        if !txn.compare.iter().all(|compare| self.holds(compare)) {
            return false;
        }
        self.revision += 1;
        for op in &txn.success {
            match op {
                TxnOp::Put(put) => {
                    self.all.insert(put.key.clone(), (put.value.clone(), self.revision));
                }
                TxnOp::Delete(delete) => self.all.retain(|key, _| !delete.range.contains(key)),
                other => panic!("{other:?}"),
            }
        }
        true
    }

    /// For every key of its range; for none as for one that was never written.
    fn holds(&self, compare: &Compare) -> bool {
        let wanted = match compare.target {
            CompareTarget::ModRevision(wanted) => wanted,
            // The first one and the last one are alike as long as it is about none.
            CompareTarget::CreateRevision(wanted) if wanted == Revision(0) => wanted,
            _ => panic!("{compare:?}"),
        };
        let keys = self.all.iter().filter(|(key, _)| compare.range.contains(key));
        let mut revisions: Vec<i64> = keys.map(|(_, (_, revision))| *revision).collect();
        assert!(!compare.single || revisions.len() < 2);
        if revisions.is_empty() {
            revisions.push(0);
        }
        revisions.into_iter().all(|revision| match compare.result {
            CompareResult::Equal => Revision(revision) == wanted,
            CompareResult::Less => Revision(revision) < wanted,
            _ => panic!("{compare:?}"),
        })
    }

    fn base(&self, name: &Name) -> Base {
        let known = self.all.get(&key::head(name));
        let head = known.map(|(value, _)| decode::<Head>(b"", value).unwrap());
        let revision = Revision(known.map_or(0, |(_, revision)| *revision));
        Base { name: name.clone(), head, revision }
    }
}

fn draft(text: &str) -> Draft {
    Draft {
        content: Bytes::from(text.to_owned()),
        content_type: ContentType::Text,
        author: String::new(),
        comment: String::new(),
        at_ms: 7,
    }
}

fn half() -> Gray {
    Gray { basis_points: 5_000, ..Gray::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Release(Option<u32>),
    Gray,
    End(Outcome),
    Report(bool),
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::option::weighted(0.2, 1..6_u32).prop_map(Step::Release),
        4 => Just(Step::Gray),
        4 => prop_oneof![Just(Outcome::Promoted), Just(Outcome::Aborted), Just(Outcome::RolledBack)]
            .prop_map(Step::End),
        3 => any::<bool>().prop_map(Step::Report),
        1 => Just(Step::Delete),
    ]
}

proptest! {
    /// Whatever is done: no more versions are kept than there should be, the stable one and the gray one
    /// always are, each with what is known of it and with its content, and nobody else's are touched.
    #[test]
    fn history_is_bounded_and_what_counts_is_kept(steps in prop::collection::vec(step(), 0..60)) {
        let mut keys = Keys::default();
        let (name, other) = (Name::new("n", "g", "a").unwrap(), Name::new("n", "g", "a-b").unwrap());
        prop_assert!(keys.run(&release(&keys.base(&other), &draft("o"), 0, None, &[]).unwrap().txn));
        for (at, step) in steps.into_iter().enumerate() {
            let base = keys.base(&name);
            let draft = draft(&at.to_string());
            let txn = match step {
                Step::Release(keep) => release(&base, &draft, 0, keep, &[]).map(|it| it.txn),
                Step::Gray => start_gray(&base, &draft, half(), &[]).map(|it| it.txn),
                Step::End(outcome) => end_gray(&base, outcome, 9, "why").map(|it| it.txn),
                Step::Report(failed) => report(&base, "c", failed, &Report::default()),
                Step::Delete => delete_all(&base),
            };
            if let Ok(txn) = txn {
                prop_assert!(keys.run(&txn));
            }
            let of = |range: &types::KeyRange| keys.all.keys().filter(|key| range.contains(key)).count();
            let [metas, contents] = key::versions(&name);
            let Some(head) = keys.base(&name).head else {
                prop_assert_eq!(keys.all.len(), 3, "something is left: {:?}", keys.all.keys());
                continue;
            };
            let kept = (1..=head.last).filter(|version| head.keeps(*version)).collect::<Vec<_>>();
            prop_assert!(kept.len() <= head.keep as usize + 1);
            prop_assert_eq!((of(&metas), of(&contents)), (kept.len(), kept.len()));
            for version in kept {
                prop_assert!(keys.all.contains_key(&key::content(&name, version)));
            }
            prop_assert!(head.keeps(head.stable_version()) && head.stable_version() > 0);
            prop_assert!(head.gray.as_ref().is_none_or(|gray| head.keeps(gray.version())));
            prop_assert!(head.gray.is_some() || of(&key::all_reports(&name)) == 0);
        }
        prop_assert!(keys.base(&other).head.is_some());
    }
}

#[test]
fn of_two_who_read_the_same_one_is_first() {
    let mut keys = Keys::default();
    let name = Name::new("n", "g", "a").unwrap();
    let base = keys.base(&name);
    let both = ["x", "y"].map(|text| release(&base, &draft(text), 0, None, &[]).unwrap());
    assert!(keys.run(&both[0].txn) && !keys.run(&both[1].txn));
    // A schema that was set meanwhile is one that the content was not held against.
    let base = keys.base(&name);
    let guard = (key::schema(&name), Revision(0));
    let planned = release(&base, &draft("z"), 0, None, std::slice::from_ref(&guard)).unwrap();
    keys.all.insert(guard.0, (Bytes::new(), 5));
    assert!(!keys.run(&planned.txn));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut keys = Keys::default();
    let name = Name::new("n", "g", "a").unwrap();
    let code = |fault: types::Fault| fault.code;
    let base = keys.base(&name);
    assert_eq!(
        start_gray(&base, &draft("g"), half(), &[]).map_err(code).err(),
        Some(Code::ConfigUnknown)
    );
    assert_eq!(delete_all(&base).map_err(code).err(), Some(Code::ConfigUnknown));
    assert!(release(&base, &draft("1"), 0, Some(0), &[]).is_err());
    assert!(release(&base, &draft("1"), 0, Some(1_001), &[]).is_err());
    keys.run(&release(&base, &draft("1"), 0, None, &[]).unwrap().txn);
    let base = keys.base(&name);
    assert_eq!(
        end_gray(&base, Outcome::Aborted, 1, "").map_err(code).err(),
        Some(Code::GrayMissing)
    );
    keys.run(&start_gray(&base, &draft("2"), half(), &[]).unwrap().txn);
    let base = keys.base(&name);
    assert_eq!(
        start_gray(&base, &draft("3"), half(), &[]).map_err(code).err(),
        Some(Code::GrayRunning)
    );
    assert_eq!(
        release(&base, &draft("3"), 0, None, &[]).map_err(code).err(),
        Some(Code::GrayRunning)
    );
    assert!(widen(&base, |gray| gray.basis_points = 4_000).is_err());
    assert!(widen(&base, |gray| gray.basis_points = 6_000).is_ok());
    assert!(report(&base, "", true, &Report::default()).is_err());
}

/// A failure that is told after the reports were counted stops a promotion that was to be without one.
#[test]
fn nothing_is_promoted_over_a_failure() {
    let mut keys = Keys::default();
    let name = Name::new("n", "g", "a").unwrap();
    keys.run(&release(&keys.base(&name), &draft("1"), 0, None, &[]).unwrap().txn);
    keys.run(&start_gray(&keys.base(&name), &draft("2"), half(), &[]).unwrap().txn);
    let base = keys.base(&name);
    let promote = promote_if_none_failed(&base, 9, "time").unwrap().txn;
    assert!(keys.run(&report(&base, "good", false, &Report::default()).unwrap()));
    assert!(keys.run(&report(&base, "c", true, &Report::default()).unwrap()));
    assert!(!keys.run(&promote));
    assert!(keys.base(&name).head.unwrap().gray.is_some());
    // Whoever thinks better of it stops nothing any more.
    assert!(keys.run(&report(&base, "c", false, &Report::default()).unwrap()));
    assert!(keys.run(&promote));
    assert_eq!(keys.base(&name).head.unwrap().stable_version(), 2);
}

#[test]
fn the_last_word_of_a_client_counts_alone() {
    let mut keys = Keys::default();
    let name = Name::new("n", "g", "a").unwrap();
    keys.run(&release(&keys.base(&name), &draft("1"), 0, None, &[]).unwrap().txn);
    keys.run(&start_gray(&keys.base(&name), &draft("2"), half(), &[]).unwrap().txn);
    let base = keys.base(&name);
    let count = |keys: &Keys| {
        [false, true].map(|failed| {
            let range = key::reports(&name, 2, failed);
            keys.all.keys().filter(|key| range.contains(key)).count()
        })
    };
    for (failed, counts) in [(false, [1, 0]), (true, [0, 1]), (true, [0, 1]), (false, [1, 0])] {
        assert!(keys.run(&report(&base, "c", failed, &Report::default()).unwrap()));
        assert_eq!(count(&keys), counts);
    }
    // Also where what it says now is not counted.
    assert!(keys.run(&take_back(&base, "c", true).unwrap()));
    assert_eq!(count(&keys), [0, 0]);
}

/// A schema is not set over contents that it was not held against.
#[test]
fn a_schema_is_set_over_what_was_looked_at_only() {
    let mut keys = Keys::default();
    let name = Name::new("n", "g", "a").unwrap();
    let schema = key::group_schema("n", "g").unwrap();
    let record = SchemaRecord::default();
    let set = |keys: &Keys| {
        let heads = key::heads("n", "g", "", None).unwrap();
        let before = keys.all.get(&schema).map_or(0, |(_, revision)| *revision);
        let guard = (schema.clone(), Revision(before));
        set_schema(guard, Some(&record), (heads, Revision(keys.revision)))
    };
    // Over none,
    let first = set(&keys);
    // one that came meanwhile,
    assert!(keys.run(&release(&keys.base(&name), &draft("1"), 0, None, &[]).unwrap().txn));
    assert!(!keys.run(&first));
    // and one that is another one meanwhile.
    let second = set(&keys);
    assert!(keys.run(&release(&keys.base(&name), &draft("2"), 0, None, &[]).unwrap().txn));
    assert!(!keys.run(&second));
    let (third, fourth) = (set(&keys), set(&keys));
    assert!(keys.run(&third));
    // Of two who set one at once the second has not seen the first.
    assert!(!keys.run(&fourth));
    // What happens elsewhere is nothing to it.
    let fifth = set(&keys);
    let elsewhere = Name::new("n", "g-b", "a").unwrap();
    assert!(keys.run(&release(&keys.base(&elsewhere), &draft("1"), 0, None, &[]).unwrap().txn));
    assert!(keys.run(&fifth));
}
