//! What carrying out a command of the registry brought about.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::name::{Name, ServiceName, TimerId};
use super::operation::{TxnError, TxnResult};
use super::record::Status;

/// What the proposer is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistryAnswer {
    /// It was carried out; whether anything is another way now.
    Done {
        /// Whether anything is another way now.
        changed: bool,
    },
    /// It is registered.
    Registered {
        /// Whether anything is another way now.
        changed: bool,
        /// What the deadline of the first check is known by that came along, if one did.
        timer: Option<TimerId>,
    },
    /// Whether the put or the delete was done (Consul's `true` or `false`).
    Granted(bool),
    /// How many of the things that were to expire did.
    Expired(u64),
    /// The transaction was carried out: what its operations answer, one after the other.
    TxnDone(Vec<TxnResult>),
    /// The transaction was not carried out, for each of these reasons; nothing changed.
    TxnRefused(Vec<TxnError>),
}

/// Exactly what is another way now: who waits for one of these is to be woken, and nobody else. Keys
/// are not among them, they have their events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Services of which an instance, a check, or a node under one of them changed: of which any
    /// question has another answer.
    pub services: BTreeSet<ServiceName>,
    /// Nodes that changed, or on which something did: about which any question has another answer.
    pub nodes: BTreeSet<Name>,
    /// Namespaces whose list of services with their tags is another one.
    pub service_lists: BTreeSet<Name>,
    /// Whether the list of nodes is another one.
    pub node_list: bool,
    /// Whether any check is another one.
    pub checks: bool,
    /// Sessions that came or went, or were renewed by a command.
    pub sessions: BTreeSet<Name>,
    /// Nodes that a shard was told of.
    pub mirrored: BTreeSet<Name>,
    /// What the leader's clock must know, in order.
    pub timers: Vec<TimerChange>,
    /// Keys that nobody may lock for so many milliseconds from now.
    pub lock_delays: Vec<(Bytes, u64)>,
}

impl Changes {
    /// Whether nobody has to be told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A deadline that came, went, or counts from now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimerChange {
    /// It starts, or starts anew with another purpose.
    Start(TimerId, Timer),
    /// It is over.
    Stop(TimerId),
}

/// What the leader's clock counts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A check.
    Check(CheckTimer),
    /// A session that ends when it is not renewed.
    Session {
        /// Milliseconds it lives without.
        ttl_ms: u64,
    },
}

/// What is to be known of a check to tell what its beats, results and silence mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckTimer {
    /// How it stands.
    pub status: Status,
    /// Milliseconds after which silence is a failure; 0: never.
    pub ttl_ms: u64,
    /// Milliseconds between two checks by the cluster; 0 if it makes none.
    pub interval_ms: u64,
    /// Milliseconds it may be critical before its instance is removed; 0: for ever.
    pub deregister_after_ms: u64,
    /// Successes in a row before it passes.
    pub success_before_passing: u8,
    /// Failures in a row before it warns; 0: it does not warn by failing.
    pub failures_before_warning: u8,
    /// Failures in a row before it is critical.
    pub failures_before_critical: u8,
    /// The service that loses an instance with it; `None` for a check of a node.
    pub service: Option<ServiceName>,
}
