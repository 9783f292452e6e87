//! What a node keeps on disk, and how it comes back: the log, the state engine, and the snapshots
//! that carry a region from one node to another.

pub mod engine;
pub mod log;
pub mod snapshot;
pub mod wal;
