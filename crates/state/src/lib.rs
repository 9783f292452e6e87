//! The deterministic state machine of a region: etcd's multi-version key space, leases, client
//! sessions, and the meta region's directory. Pure: no clock, no randomness, no I/O but reads
//! through [`types::Reader`] and writes into a [`types::Batch`].

mod check;
mod codec;
pub mod command;
pub mod directory;
mod directory_machine;
pub mod request;
pub mod response;

pub use check::{check, check_keyspace_name, check_range, check_txn};
pub use codec::CodecError;
