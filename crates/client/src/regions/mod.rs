//! Sharded keyspaces: their keys are spread over regions, each with a leader and revisions of its own.

mod map;
mod positions;
mod routes;
mod share;
mod watch;

pub use positions::Positions;
pub use watch::{RegionChanges, RegionsWatch, RegionsWatcher};

pub(crate) use routes::{Nodes, Routes, range_of, span_of};
