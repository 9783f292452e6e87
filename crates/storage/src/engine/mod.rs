//! The state engine: ordered records, atomic batches, frozen views. Two engines keep the same
//! contract: [`MemoryEngine`] and [`FjallEngine`].

mod contract;
mod error;
mod fjall;
mod latch;
mod memory;

pub use contract::{Engine, EngineStats, KEY_BYTES_MAX, Snapshot, VALUE_BYTES_MAX};
pub use error::Error;
pub use fjall::{FjallEngine, FjallOptions};
pub use memory::MemoryEngine;
