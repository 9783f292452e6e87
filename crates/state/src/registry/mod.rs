//! The registry: nodes, instances of services, checks, sessions, and the locks sessions hold. A region
//! of this kind has keys and values as well, and one revision for all of it, which is Consul's index.
//!
//! What a command changes goes through [`apply`]; questions are answered by [`Registry`], from memory.
//! Time is not in here: see [`deadlines`], which a leader keeps beside its copy.

mod answer;
mod apply;
mod archive;
mod check;
pub(crate) mod codec;
mod command;
pub mod deadlines;
mod keys;
mod kv;
mod machine;
mod model;
mod name;
mod operation;
pub mod query;
mod record;
mod sample;
mod shards;
mod txn;

pub use answer::{Changes, CheckTimer, RegistryAnswer, Timer, TimerChange};
pub use archive::{ArchiveWriter, Everything, RestoreStep, check_archive};
pub use command::{CheckRegistration, Expiry, Mirror, Registration, RegistryCommand, Target};
pub use kv::{KvCondition, KvOp, KvWrite};
pub use model::Registry;
pub use name::{CheckKey, DEFAULT_NAMESPACE, InstanceKey, Name, ServiceName, TimerId};
pub use operation::{CatalogOp, TxnError, TxnOp, TxnResult};
pub use record::{
    Behavior, Check, Definition, Instance, Node, Pairs, Session, Status, TaggedAddress, Weights,
};

pub use shards::{Held, Registries, shard_of};

pub(crate) use archive::ArchivedKey;
pub(crate) use check::check;
pub(crate) use machine::{Stage, carry_out};

/// The name of the keyspace that is made for Consul's clients, and of its kind of machine: a keyspace
/// made with this machine is a registry.
pub const MACHINE: &str = "registry";

/// What the keyspace of a registry's shard is called; shards are counted from 1.
#[must_use]
pub fn shard_name(shard: u32) -> String {
    format!("{MACHINE}.{shard}")
}

/// What whoever sends a command of the registry elsewhere is told.
pub(crate) const REGISTRY_ONLY: &str = "this keyspace is no registry";
