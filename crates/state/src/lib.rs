//! The deterministic state machine of a region: etcd's multi-version key space, leases, client
//! sessions, and the meta region's directory. Pure: no clock, no randomness, no I/O but reads
//! through [`types::Reader`] and writes into a [`types::Batch`].

pub mod command;
pub mod directory;
pub mod request;
pub mod response;
