//! Frames and snapshots between the nodes of a cluster. Described in `docs/protocol.md`.

mod admission;
mod backoff;
mod bootstrap;
mod call;
mod carrier;
mod connect;
mod core;
mod dial;
mod error;
mod hello;
mod join;
mod limits;
mod link;
pub mod memory;
mod peer;
mod queue;
mod receive;
mod send;
mod server;
mod service;
#[allow(clippy::module_inception, reason = "the type this folder is about, in a file of its own")]
mod transport;
mod warnings;

pub use admission::Admission;
pub use bootstrap::{Start, wait_for_quorum};
pub use carrier::{Carrier, Chunks, SnapshotReceiver, SnapshotSink};
pub use error::Error;
pub use hello::{PROTOCOL, PeerHello};
pub(crate) use join::ask as ask_to_join;
pub use join::{Applicant, Welcome};
pub use limits::Limits;
pub use transport::{Transport, TransportConfig};
