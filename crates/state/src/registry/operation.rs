//! What transactions are made of, and what they answer.

use std::sync::Arc;

use super::kv::KvOp;
use super::name::{CheckKey, InstanceKey, Name};
use super::query::NamedCheck;
use super::record::{Check, Instance, Node};
use crate::response::KeyValue;

/// One operation of a transaction. Each sees what those before it did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TxnOp {
    /// On a key, or on all below one.
    Kv(KvOp),
    /// On a node, an instance or a check.
    Catalog(CatalogOp),
}

/// An operation on what is registered. Where an `index` is given, it has to be the modify index of what
/// is there, or 0 to set what is not. Setting answers the record as it is then, deleting nothing. In
/// records to be set, the revisions and the timer are not looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CatalogOp {
    /// The node; an error if it is not there.
    GetNode {
        /// Its name.
        name: Name,
        /// Its id; empty for whatever it has.
        id: Name,
    },
    /// Set a node. What is on it stays.
    SetNode {
        /// The node.
        node: Box<Node>,
        /// When.
        index: Option<u64>,
    },
    /// Delete a node with everything on it.
    DeleteNode {
        /// Its name.
        name: Name,
        /// When.
        index: Option<u64>,
    },
    /// The instance; an error if it is not there.
    GetInstance(InstanceKey),
    /// Set an instance; its node has to be there.
    SetInstance {
        /// The instance.
        instance: Box<Instance>,
        /// When.
        index: Option<u64>,
    },
    /// Delete an instance with its checks.
    DeleteInstance {
        /// Which.
        key: InstanceKey,
        /// When.
        index: Option<u64>,
    },
    /// The check; an error if it is not there.
    GetCheck(CheckKey),
    /// Set a check; its node, and the instance it is about, have to be there.
    SetCheck {
        /// The check.
        check: Box<Check>,
        /// When.
        index: Option<u64>,
    },
    /// Delete a check.
    DeleteCheck {
        /// Which.
        key: CheckKey,
        /// When.
        index: Option<u64>,
    },
}

impl CatalogOp {
    /// Whether it can change anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::GetNode { .. } | Self::GetInstance(_) | Self::GetCheck(_))
    }

    /// Whether it can leave more on the disk than it found there.
    #[must_use]
    pub fn sets(&self) -> bool {
        matches!(self, Self::SetNode { .. } | Self::SetInstance { .. } | Self::SetCheck { .. })
    }
}

impl TxnOp {
    /// Whether it can change anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::Kv(op) => op.writes(),
            Self::Catalog(op) => op.writes(),
        }
    }

    /// Whether it can leave more on the disk than it found there.
    #[must_use]
    pub fn sets(&self) -> bool {
        match self {
            Self::Kv(op) => matches!(op, KvOp::Put(_)),
            Self::Catalog(op) => op.sets(),
        }
    }
}

/// What an operation answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TxnResult {
    /// A key.
    Kv(KeyValue),
    /// A node.
    Node(Arc<Node>),
    /// An instance.
    Instance(Arc<Instance>),
    /// A check, with the instance it is about.
    Check(NamedCheck),
}

/// Why a transaction was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnError {
    /// The place of the operation among all, from 0.
    pub op: u32,
    /// What is wrong with it, in Consul's words.
    pub what: String,
}
