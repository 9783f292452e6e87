//! What clients asked and were told, by key, for the check of linearizability: at most 500
//! operations of at most 8 clients each. A key that is full is followed by a new one.

use std::collections::BTreeMap;

use bytes::Bytes;
use check::{Action, OPERATIONS, Operation, Seen, Verdict, check, settle};
use types::RegionId;

use crate::counts::Counts;

/// Where an operation is recorded.
pub(crate) type Place = ((RegionId, Bytes), usize);

#[derive(Default)]
pub(crate) struct Histories {
    generations: BTreeMap<(RegionId, u64), u64>,
    keys: BTreeMap<(RegionId, Bytes), Vec<Operation>>,
}

impl Histories {
    /// The key that stands in `slot` at the moment.
    pub(crate) fn key(&mut self, region: RegionId, slot: u64) -> Bytes {
        let generation = self.generations.entry((region, slot)).or_default();
        let key = Bytes::from(format!("key-{slot}-{generation}"));
        let len = self.keys.get(&(region, key.clone())).map_or(0, Vec::len);
        if len < OPERATIONS {
            return key;
        }
        *generation += 1;
        Bytes::from(format!("key-{slot}-{generation}"))
    }

    /// An operation begins. `None` if the history is full; it must not change the key then.
    pub(crate) fn begin(
        &mut self,
        region: RegionId,
        key: &Bytes,
        (client, start): (u64, u64),
        action: Action,
    ) -> Option<Place> {
        let history = self.keys.entry((region, key.clone())).or_default();
        if history.len() >= OPERATIONS {
            return None;
        }
        let seen = Seen::Nothing;
        history.push(Operation { client, start, end: u64::MAX, action, seen });
        Some(((region, key.clone()), history.len() - 1))
    }

    /// An operation was answered, or (`Seen::Nothing`) cannot happen any more.
    pub(crate) fn end(&mut self, place: &Place, end: u64, seen: Seen) {
        if let Some(operation) =
            self.keys.get_mut(&place.0).and_then(|history| history.get_mut(place.1))
        {
            (operation.end, operation.seen) = (end, seen);
        }
    }

    /// Checks all of them.
    pub(crate) fn check(&self, counts: &mut Counts) -> Result<(), String> {
        for ((region, key), history) in &self.keys {
            // A get that was not answered says nothing.
            let told = |operation: &&Operation| {
                operation.seen != Seen::Nothing || operation.action != Action::Get
            };
            let history: Vec<Operation> = history.iter().filter(told).copied().collect();
            counts.histories += 1;
            counts.history_ops += history.len() as u64;
            // What others saw decides where too much is open to try all orders; every value is written once.
            let (history, verdict) = match check(&history) {
                Verdict::Undecided => {
                    let settled = settle(&history);
                    let verdict = check(&settled);
                    (settled, verdict)
                }
                verdict => (history, verdict),
            };
            match verdict {
                Verdict::Linearizable => {}
                Verdict::Undecided => counts.undecided += 1,
                Verdict::Broken(at) => {
                    let around: Vec<_> =
                        history[at.saturating_sub(6)..history.len().min(at + 3)].to_vec();
                    return Err(format!(
                        "region {region} key {key:?}: {:?} fits no order; around it {around:#?}",
                        history[at]
                    ));
                }
            }
        }
        Ok(())
    }
}
