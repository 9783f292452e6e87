use serde::Serialize;

use super::State;
use crate::ledger::{Ledger, Outcome};
use crate::work::{UNIQUE, number_of};

/// Writes of unique keys.
#[derive(Default, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    /// Of the unknown ones, those that were carried out.
    pub(crate) unknown_found: u64,
    pub(crate) refused: u64,
    /// Acknowledged and not there.
    pub(crate) missing: u64,
    /// There with another value.
    pub(crate) wrong: u64,
    /// Carried out more than once.
    pub(crate) twice: u64,
    /// There though it was said that it was not carried out.
    pub(crate) refused_found: u64,
}

pub(super) fn verify(ledger: &Ledger, state: &State, wrong: &mut Vec<String>) -> Counted {
    let mut counted = Counted::default();
    for write in ledger.writes.lock().iter().filter(|write| write.key.starts_with(UNIQUE)) {
        let found = state.get(&write.key);
        match write.outcome {
            Outcome::Acknowledged | Outcome::Conflict => counted.acknowledged += 1,
            Outcome::Unknown => counted.unknown += 1,
            Outcome::Refused => counted.refused += 1,
        }
        let Some(kv) = found else {
            if write.outcome == Outcome::Acknowledged {
                counted.missing += 1;
                wrong.push(format!("missing: {write:?} was acknowledged"));
            }
            continue;
        };
        if write.outcome == Outcome::Unknown {
            counted.unknown_found += 1;
        }
        if write.outcome == Outcome::Refused {
            counted.refused_found += 1;
            wrong.push(format!("refused and there: {write:?}"));
        }
        if number_of(&kv.value) != Some(write.value) {
            counted.wrong += 1;
            wrong.push(format!("wrong: {write:?} has value {:?}", kv.value));
        }
        if kv.version != 1 {
            counted.twice += 1;
            wrong.push(format!("carried out {} times: {write:?}", kv.version));
        }
        if write.outcome == Outcome::Acknowledged && kv.mod_revision != write.revision {
            wrong.push(format!("{write:?} is found at revision {}", kv.mod_revision));
        }
    }
    counted
}
