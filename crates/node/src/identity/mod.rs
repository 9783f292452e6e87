//! Who this data directory belongs to: which node of which cluster.

mod cluster;
mod error;
mod file;
mod hash;
mod lock;
mod record;
#[cfg(test)]
mod tests;

pub use cluster::InitialCluster;
pub use error::Error;
pub use lock::DirectoryLock;
pub use record::{Application, Identity};
