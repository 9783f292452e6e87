//! Whether what was told of a service can be so.

use std::collections::BTreeMap;
use std::time::Instant;

use super::truth::{Part, Place, TTL, Truth};

/// What somebody was told of a service: with which index, and whether each instance is critical.
pub(super) struct Told {
    pub(super) service: usize,
    pub(super) index: i64,
    pub(super) at: Instant,
    /// By id.
    pub(super) instances: BTreeMap<String, bool>,
}

#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) wrong: Vec<String>,
    /// Instances that are told to be silent or gone, and whose beats were late.
    pub(super) late: usize,
}

/// An answer with an index has everything of its service up to that revision, and nothing after it: so
/// whoever was registered by then is there, and whoever was taken back by then is not.
pub(super) fn judge(truth: &Truth, told: &Told) -> Verdict {
    let mut verdict = Verdict::default();
    let mut found: BTreeMap<usize, bool> = BTreeMap::new();
    for (id, critical) in &told.instances {
        match Place::number_of(told.service, id).filter(|number| *number < truth.each()) {
            Some(number) => drop(found.insert(number, *critical)),
            None => verdict.wrong.push(format!("{id} was never registered")),
        }
    }
    let mut missing = 0;
    for (number, known) in truth.of(told.service).iter_mut().enumerate() {
        let name = Place { service: told.service, number }.id();
        let is = found.get(&number).copied();
        let mut wrong = |what: &str| verdict.wrong.push(format!("{name} {what}"));
        match known.part {
            Part::Here { since } if told.index >= since && is != Some(false) => {
                known.look(told.at);
                missing += usize::from(is.is_none());
                match (known.late, is) {
                    (Some(_), _) => verdict.late += 1,
                    (None, None) => wrong("beats and is not there"),
                    (None, Some(_)) => wrong("beats and is critical"),
                }
            }
            Part::Silent { since } if told.index >= since && is != Some(false) => {
                let may_be =
                    known.late.is_some() || told.at.saturating_duration_since(known.sent) >= TTL;
                if !may_be {
                    wrong("was lost before its time");
                }
                let first =
                    if is.is_none() { &mut known.gone_told } else { &mut known.critical_told };
                first.get_or_insert(told.at);
            }
            Part::Gone { at } if told.index >= at && is.is_some() => {
                wrong("was taken back and is there")
            }
            Part::Absent if is.is_some() => wrong("is there before it was registered"),
            _ => {}
        }
    }
    if told.instances.is_empty() && missing > 0 {
        verdict.wrong.push(format!("the answer is empty, and {missing} instances are there"));
    }
    for wrong in &mut verdict.wrong {
        *wrong = format!("{wrong}, at index {}", told.index);
    }
    verdict
}
