//! What an ordered keyspace answers.

use bytes::Bytes;
use types::{Fault, LeaseId, Revision};

use crate::alarms::Alarm;
use crate::directory::{KeyspaceRecord, NodeRecord, SplitPlan};
use crate::registry::RegistryAnswer;

/// One key with its value, as etcd and Consul clients see it: one record shape for both.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision of the put that created the key.
    pub create_revision: Revision,
    /// The revision of the last put; for a delete event, of the delete.
    pub mod_revision: Revision,
    /// Puts since the key was created; 0 for a deleted key.
    pub version: i64,
    /// The lease it lives with; 0 for none.
    pub lease: LeaseId,
    /// Consul's opaque flags.
    pub flags: u64,
    /// Consul's count of lock acquisitions.
    pub lock_index: u64,
    /// Consul's session that holds the key; empty for none.
    pub session: Bytes,
}

/// The answer to a range read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeResponse {
    /// The records, at most `limit`.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit left records out.
    pub more: bool,
    /// Keys in the range at the revision read, before limit and filters (etcd: `count`).
    pub count: i64,
}

/// What a command answers when it was carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Response {
    Put {
        prev: Option<KeyValue>,
    },
    Delete {
        deleted: i64,
        prev: Vec<KeyValue>,
    },
    Range(RangeResponse),
    Txn {
        succeeded: bool,
        responses: Vec<Response>,
    },
    Compacted,
    LeaseGranted {
        id: LeaseId,
        ttl_seconds: i64,
    },
    LeaseRevoked,
    /// The alarm that was raised or put down, if it stands or stood.
    Alarms(Vec<Alarm>),
    Keyspace(KeyspaceRecord),
    Node(NodeRecord),
    /// The split that is going to be made.
    Planned(SplitPlan),
    Registry(RegistryAnswer),
    /// What a custom machine answered.
    Executed(Bytes),
    Done,
}

/// A command's outcome: what happened, and the keyspace's revision right after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The keyspace's newest revision once the command was applied.
    pub revision: Revision,
    /// The answer, or why nothing was changed.
    pub result: Result<Response, Fault>,
}

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum EventKind {
    Put,
    Delete,
}

/// Where one version of one record is kept: its revision and its place inside the revision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    /// The revision that wrote it.
    pub revision: Revision,
    /// Its place among the writes of that revision, from 0.
    pub sub: u32,
}

/// One change of one key, as watchers are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The record after the change; for a delete only `key` and `mod_revision` are set.
    pub kv: KeyValue,
    /// Where this version is kept.
    pub position: Position,
    /// Where the version before is kept, if the key existed: read only when a watcher wants it.
    pub previous: Option<Position>,
}
