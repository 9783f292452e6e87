//! The state engine: ordered records, atomic batches, frozen views. Two engines keep the same
//! contract: [`MemoryEngine`] and [`DiskEngine`].

mod contract;
mod disk;
mod error;
mod latch;
mod memory;
mod tree;

pub(crate) use contract::LET_FLUSH;
pub use contract::{Engine, EngineStats, KEY_BYTES_MAX, Snapshot, VALUE_BYTES_MAX};
pub use disk::{DiskEngine, DiskOptions, Family};
pub use error::Error;
pub use memory::MemoryEngine;
