//! A keyspace as a file that etcd 3.5 can start from.

mod bolt;
pub(super) mod contents;
mod stream;
mod surroundings;

pub(super) use stream::{SnapshotStream, stream};
pub(super) use surroundings::Surroundings;
