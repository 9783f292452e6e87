//! The deterministic state machine of a region: etcd's multi-version key space, leases, client
//! sessions, the registry of services, the meta region's directory with users and roles, and the
//! frame around machines of others. Pure: no clock, no randomness, no I/O but reads through
//! [`types::Reader`] and writes into a [`types::Batch`].

pub mod alarms;
mod applied;
pub mod auth;
pub mod beginning;
mod check;
mod codec;
pub mod command;
pub mod custom;
pub mod directory;
mod directory_machine;
mod error;
pub mod history;
mod index;
pub mod kept;
pub mod keys;
mod leases;
mod machine;
mod overlay;
mod record;
pub mod registry;
pub mod request;
pub mod response;
mod sessions;
pub mod sharded;
mod space;

pub use applied::Applied;
pub use check::{check, check_keyspace_name, check_range, check_txn};
pub use codec::{CodecError, proposed_again, routed_version};
pub use error::{FetchError, LoadError};
pub use machine::{Effects, LeaseChange, Machine};
pub use space::{Selection, Sweep};
