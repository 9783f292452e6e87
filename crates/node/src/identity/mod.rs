//! Who this data directory belongs to: which node of which cluster.

mod cluster;
mod error;
mod file;
mod hash;
mod lock;
mod record;
mod survivor;
#[cfg(test)]
mod tests;

pub use cluster::InitialCluster;
pub use error::Error;
pub use lock::DirectoryLock;
pub(crate) use record::occupant;
pub use record::{Application, Identity};
pub(crate) use survivor::Survivor;
