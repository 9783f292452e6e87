//! Keeping history for a time, or for a number of revisions (etcd's `--auto-compaction`), and removing
//! what was compacted.

mod keep;
mod sweep;
mod window;

pub(crate) use keep::keep;
pub(crate) use sweep::{Due, Sweeping, sweep};
pub use window::AutoCompaction;
