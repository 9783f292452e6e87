//! The write-ahead log: the Raft logs of all regions of a node, in one row of segment files.
//!
//! Promise: what was appended before a [`Wal::sync`] that answered Ok is there after any crash, and
//! nothing is there that was not appended. Damage to what was promised is refused with advice, never
//! cut. The bytes are drawn in `docs/format.md`, the reasons told in `docs/architecture/log.md`.
//!
//! One thread writes ([`Wal`], no threads of its own); any number read ([`WalReader`]).

mod append;
mod config;
mod decode;
mod encode;
mod error;
mod extent;
mod followed;
mod index;
mod layout;
mod open;
pub(crate) mod plan;
mod reader;
mod reclaim;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod window;

pub use append::Wal;
pub use config::{RegionLog, WalConfig, WalGuards, Write};
pub(crate) use encode::{Item, State};
pub use error::Error;
pub use reader::{RegionStatus, Stats, WalReader};
pub use reclaim::Reclaimed;
