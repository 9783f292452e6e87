use serde::Serialize;

use super::State;
use crate::ledger::Ledger;
use crate::work::number_of;

/// Counters that were added to by compare and swap.
#[derive(Default, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) counters: u64,
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    /// The sum of what is found.
    pub(crate) total: u64,
    /// Counters outside of what acknowledged and unknown additions allow.
    pub(crate) off: u64,
}

pub(crate) fn verify(ledger: &Ledger, state: &State, wrong: &mut Vec<String>) -> Counted {
    let mut counted = Counted::default();
    for (key, added) in ledger.counters.lock().iter() {
        let kv = state.get(key);
        let total = kv.map_or(Some(0), |kv| number_of(&kv.value)).unwrap_or(u64::MAX);
        counted.counters += 1;
        counted.acknowledged += added.acknowledged;
        counted.unknown += added.unknown;
        counted.total = counted.total.saturating_add(total);
        let possible = added.acknowledged..=added.acknowledged + added.unknown;
        let version = kv.map_or(0, |kv| kv.version.unsigned_abs());
        if !possible.contains(&total) || version != total {
            counted.off += 1;
            wrong.push(format!("{key} is {total} after {version} writes; {added:?}"));
        }
    }
    counted
}
