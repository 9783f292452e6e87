//! Keeping history for a time, or for a number of revisions: etcd's `--auto-compaction`.

mod keep;
mod window;

pub(crate) use keep::keep;
pub use window::AutoCompaction;
