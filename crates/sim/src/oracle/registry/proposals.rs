//! When each expiry was told by a leader's clock.

use std::collections::BTreeMap;

use state::registry::{CheckKey, Expiry, Name};
use types::Revision;

/// What an expiry ends, as its leader saw it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Of {
    Check(CheckKey, Revision),
    Instance(CheckKey, Revision),
    Session(Name, Revision),
}

/// The last time of each.
#[derive(Default)]
pub(crate) struct Proposals(BTreeMap<Of, u64>);

fn of(expiry: &Expiry) -> Of {
    match expiry.clone() {
        Expiry::Check { check, modified, .. } => Of::Check(check, modified),
        Expiry::Instance { check, modified } => Of::Instance(check, modified),
        Expiry::Session { id, modified } => Of::Session(id, modified),
    }
}

impl Proposals {
    pub(crate) fn proposed(&mut self, expiry: &Expiry, now: u64) {
        self.0.insert(of(expiry), now);
    }

    /// When it was told last; never, if nobody did.
    pub(super) fn told(&self, expiry: &Expiry) -> Option<u64> {
        self.0.get(&of(expiry)).copied()
    }
}
