//! What must always hold, one file per property. An oracle sees everything and changes nothing.

mod counters;
mod elections;
mod events;
mod histories;
mod leases;
mod log;
mod machines;
mod moves;
mod once;
mod quiet;
mod recovery;
mod registry;
mod revisions;
mod votes;

pub(crate) use check::{Action, Seen};
pub(crate) use histories::{Histories, Place};
pub(crate) use quiet::compare_nodes;
pub(crate) use registry::Fresh;

/// All of them.
#[derive(Default)]
pub(crate) struct Oracles {
    pub(crate) votes: votes::Votes,
    pub(crate) recovery: recovery::Recovery,
    pub(crate) elections: elections::Elections,
    pub(crate) events: events::Events,
    pub(crate) log: log::CommittedLog,
    pub(crate) machines: machines::Machines,
    pub(crate) revisions: revisions::Revisions,
    pub(crate) once: once::Once,
    pub(crate) moves: moves::Moves,
    pub(crate) leases: leases::Leases,
    pub(crate) counters: counters::Counters,
    pub(crate) histories: Histories,
    pub(crate) registry: registry::OfRegistry,
}
