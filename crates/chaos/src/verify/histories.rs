use check::{Verdict, check, settle};
use serde::Serialize;

use crate::ledger::Ledger;

/// Histories of registers, one key each.
#[derive(Default, Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) histories: u64,
    /// Operations, those included of which nothing is known.
    pub(crate) operations: u64,
    pub(crate) linearizable: u64,
    pub(crate) undecided: u64,
    pub(crate) broken: u64,
}

pub(crate) fn verify(ledger: &Ledger, wrong: &mut Vec<String>) -> Checked {
    let mut checked = Checked::default();
    for (key, history) in ledger.histories.lock().iter() {
        checked.histories += 1;
        checked.operations += history.len() as u64;
        let history = settle(history);
        match check(&history) {
            Verdict::Linearizable => checked.linearizable += 1,
            Verdict::Undecided => checked.undecided += 1,
            Verdict::Broken(at) => {
                checked.broken += 1;
                let around = &history[at.saturating_sub(6)..history.len().min(at + 3)];
                wrong.push(format!(
                    "{key} is not linearizable: {:?} fits no order; around it {around:#?}",
                    history[at]
                ));
            }
        }
    }
    checked
}
