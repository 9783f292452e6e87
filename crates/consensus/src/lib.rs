//! One replica of one Raft group, as a pure state machine: messages, ticks and proposals go in, a
//! [`Ready`] comes out, and the caller says when it is durable and when it is applied.
//!
//! The election and replication rules are those of the crate `raft`; none of its types is visible
//! here. Around it this crate keeps the rules that make it safe to run, one by one switchable in
//! [`Guards`] so that tests can show each is needed. The chapter is `docs/architecture/consensus.md`.
//!
//! # When the library panics
//! A driver may call any method of [`Replica`] inside `std::panic::catch_unwind` (with
//! `AssertUnwindSafe`). A replica that unwound is quarantined by itself: it never has a [`Ready`]
//! again and every call that can fail answers [`Error::Poisoned`]. Nothing of it may be sent or
//! written afterwards; what it had handed out before stays valid.

mod conf;
mod config;
mod convert;
mod error;
mod log;
mod message;
mod ready;
mod replica;
mod status;
mod store;
mod terms;

pub use conf::{ConfChange, PeerChange, check_conf_state};
pub use config::{Config, Guards, Start};
pub use error::{Error, LogFailure};
pub use log::LogReader;
pub use message::{Message, MessageKind};
pub use ready::{ReadContext, Ready, Role, RoleChange, SnapshotMeta, SnapshotRequest};
pub use replica::Replica;
pub use status::{Flow, PeerStatus, Status};
