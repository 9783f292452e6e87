//! What must hold of a registry. Of expiries it is known when a leader's clock told them: what a client
//! was answered is held against that, and not against when the log had them.

mod answers;
mod dead;
mod instances;
mod locks;
mod proposals;
mod sessions;

use state::Effects;
use state::registry::{Expiry, Registry};
use types::Revision;

use crate::registry::concerns_nobody;
use crate::scenario::{HASTE, RATE_MAX, RATE_MIN};

/// All of them. There is one registry in a world.
#[derive(Default)]
pub(crate) struct OfRegistry {
    pub(crate) answers: answers::Answers,
    pub(crate) proposals: proposals::Proposals,
    pub(crate) instances: instances::Instances,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) locks: locks::Locks,
}

/// A command of the registry that was applied for the first time anywhere, and what is there after it.
pub(crate) struct Fresh<'a> {
    pub(crate) now: u64,
    pub(crate) revision: Revision,
    pub(crate) registry: &'a Registry,
    pub(crate) effects: &'a Effects,
    pub(crate) proposals: &'a proposals::Proposals,
}

impl Fresh<'_> {
    /// Whether what was modified at that revision was so by this command.
    fn changed(&self, modified: Revision) -> bool {
        modified == self.revision && !concerns_nobody(&self.effects.registry)
    }

    /// When a leader's clock told an expiry that took effect.
    fn told(&self, expiry: &Expiry) -> Result<u64, String> {
        self.proposals.told(expiry).ok_or_else(|| format!("nobody told {expiry:?}"))
    }
}

/// Microseconds that so many milliseconds of a registry take on the fastest clock there is.
fn at_least(milliseconds: u64) -> u64 {
    milliseconds * 1_000 / u64::from(HASTE) * 1_000_000 / RATE_MAX
}

/// Microseconds that so many milliseconds take on the slowest one.
fn at_most(milliseconds: u64) -> u64 {
    milliseconds * 1_000 / u64::from(HASTE) * 1_000_000 / RATE_MIN
}
