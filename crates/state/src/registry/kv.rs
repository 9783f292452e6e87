//! What Consul's clients do to keys.

use bytes::Bytes;
use types::KeyRange;

use super::name::Name;

/// What a put of a Consul client depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KvCondition {
    /// Nothing.
    Always,
    /// The key's modify index is this; 0: the key is not there.
    Index(u64),
    /// The session holds the key, or nobody does; then it does.
    Acquire(Name),
    /// The session holds the key; then nobody does.
    Release(Name),
}

/// A put with Consul's fields. What etcd's clients know of and Consul's do not, the lease, stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KvWrite {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// Consul's opaque number.
    pub flags: u64,
    /// When.
    pub condition: KvCondition,
}

/// One operation of a transaction. Each sees what those before it did; what each answers is said with
/// it, where a record is answered without its value unless the value was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KvOp {
    /// `set`, `cas`, `lock`, `unlock`, by its condition: the record as it is then.
    Put(KvWrite),
    /// `get`: the record with its value; an error if it is not there.
    Get {
        /// Which.
        key: Bytes,
    },
    /// `get-or-empty`: the record with its value; one with nothing but its key if it is not there.
    GetOrEmpty {
        /// Which.
        key: Bytes,
    },
    /// `get-tree`: every record below, with its value.
    GetTree {
        /// What the keys begin with.
        prefix: Bytes,
    },
    /// `check-index`: the record; an error if its modify index is another one.
    CheckIndex {
        /// Which.
        key: Bytes,
        /// The modify index it is to have.
        index: u64,
    },
    /// `check-session`: the record; an error if somebody else holds it.
    CheckSession {
        /// Which.
        key: Bytes,
        /// Who is to hold it; empty for nobody.
        session: Name,
    },
    /// `check-not-exists`: nothing; an error if it is there.
    CheckNotExists {
        /// Which.
        key: Bytes,
    },
    /// `delete`: nothing.
    Delete {
        /// Which.
        key: Bytes,
    },
    /// `delete-tree`: nothing.
    DeleteTree {
        /// What the keys begin with.
        prefix: Bytes,
    },
    /// `delete-cas`: nothing; an error if it is there with another modify index.
    DeleteIndex {
        /// Which.
        key: Bytes,
        /// The modify index it is to have.
        index: u64,
    },
}

impl KvOp {
    /// The keys it reads or changes.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        match self {
            Self::Put(write) => KeyRange::single(&write.key),
            Self::GetTree { prefix } | Self::DeleteTree { prefix } => KeyRange::prefix(prefix),
            Self::Get { key }
            | Self::GetOrEmpty { key }
            | Self::CheckIndex { key, .. }
            | Self::CheckSession { key, .. }
            | Self::CheckNotExists { key }
            | Self::Delete { key }
            | Self::DeleteIndex { key, .. } => KeyRange::single(key),
        }
    }

    /// Whether it can change anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::Put(_)
            | Self::Delete { .. }
            | Self::DeleteTree { .. }
            | Self::DeleteIndex { .. } => true,
            Self::Get { .. }
            | Self::GetOrEmpty { .. }
            | Self::GetTree { .. }
            | Self::CheckIndex { .. }
            | Self::CheckSession { .. }
            | Self::CheckNotExists { .. } => false,
        }
    }
}
