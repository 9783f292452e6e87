//! The words every other crate speaks: identifiers, key ranges, epochs, limits, log entries, and the
//! finite list of errors a caller can branch on. No behaviour lives here, and nothing outside `core`,
//! `alloc` and `bytes` is used.

mod code;
mod engine;
mod epoch;
mod ids;
pub mod limits;
mod log;
mod range;
mod sightings;

pub use code::{Code, Fault};
pub use engine::{Batch, Garbage, Op, ReadFailure, Reader};
pub use epoch::Epoch;
pub use ids::{
    ClusterId, Incarnation, Index, KeyspaceId, LeaseId, NodeId, PeerId, RegionId, Revision, Term,
};
pub use log::{ConfState, Entry, EntryKind, HardState};
pub use range::KeyRange;
pub use sightings::Sightings;
