//! The threads that apply what was committed: state machine, one engine batch for many entries of
//! many regions, then answers, watchers and whoever waits to read.
//!
//! Each region has a queue, and is worked on by one thread at a time, in order. Which regions a
//! thread takes together is [`queue`]'s to say, what it does with them [`round`]'s.

mod pace;
mod queue;
mod round;
mod scavenge;
#[cfg(test)]
mod tests;
mod worker;

use region::{Committed, Install};
use state::response::Outcome;
use types::Term;

use crate::proposal::Proposal;
use crate::snapshots::Installing;

pub(crate) use queue::{Queues, RegionQueue};
pub(crate) use round::set_aside;
pub(crate) use scavenge::ask_scavenge;
pub(crate) use worker::{relieve, run};

/// What a proposer is told.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) outcome: Outcome,
    pub(crate) term: Term,
}

/// What is to be done about a region's state.
pub(crate) enum ToApplier {
    Committed(Committed<Proposal>),
    Install(Install, Installing),
    Export,
    Scavenge,
    /// This node leads the region, in this term.
    Lead(Term),
}
