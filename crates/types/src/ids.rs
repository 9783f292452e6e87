//! Identifiers as types of their own, so that a term can never be passed where an index belongs.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The bare number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id!(
    /// One server of the cluster. Handed out by the cluster, kept on its disk, never reused; never 0,
    /// and below 2^32.
    NodeId(u64)
);
id!(
    /// One Raft group. Region 1 is the meta region; never 0.
    RegionId(u64)
);
id!(
    /// One replica of one region. Unique within its region for ever, also after its removal; never 0.
    PeerId(u64)
);
id!(
    /// A keyspace, the unit a user sees. 0 is the meta region's own.
    KeyspaceId(u32)
);
impl KeyspaceId {
    /// Set in the number of a sharded keyspace whose records are all kept in memory, so that the records
    /// of all such keyspaces lie together, behind those of all others.
    pub const IN_MEMORY: u32 = 1 << 31;

    /// Whether its records are all kept in memory.
    #[must_use]
    pub const fn is_in_memory(self) -> bool {
        self.0 & Self::IN_MEMORY != 0
    }
}

id!(
    /// A Raft term.
    Term(u64)
);
id!(
    /// A position in one region's Raft log; the first entry is 1.
    Index(u64)
);
id!(
    /// A revision of one ordered keyspace. etcd's wire carries it as int64, and it starts at 1.
    Revision(i64)
);
id!(
    /// A lease. etcd's wire carries it as int64; 0 means "no lease".
    LeaseId(i64)
);
id!(
    /// One run of one server process, drawn at random at its start: the client id of the commands
    /// that run forwards.
    Incarnation(u64)
);

impl RegionId {
    /// The region that holds the cluster's own records.
    pub const META: Self = Self(1);
    /// The region of keyspace `default`, created with the cluster.
    pub const DEFAULT: Self = Self(2);
}

impl KeyspaceId {
    /// The keyspace requests go to that name none.
    pub const DEFAULT: Self = Self(1);
}

/// Bits of a [`PeerId`] that name the node.
const NODE_BITS: u32 = 32;

impl PeerId {
    /// A region's replica on `node`. `earlier` counts the replicas the region had on that node before,
    /// so that a number is never used twice; regions that never moved have 0.
    #[must_use]
    pub const fn on(node: NodeId, earlier: u32) -> Self {
        Self(((earlier as u64) << NODE_BITS) | node.0)
    }

    /// Which of the region's replicas on its node it is: ascending, the first ones are 0.
    #[must_use]
    pub const fn generation(self) -> u32 {
        // What is left fits.
        (self.0 >> NODE_BITS) as u32
    }

    /// Where the replica lives: it is part of its number, so that everybody who meets it knows.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId(self.0 & ((1 << NODE_BITS) - 1))
    }
}

impl Index {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Which cluster a message or a data directory belongs to; made at bootstrap, never changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClusterId(pub u128);

impl ClusterId {
    /// The 64 bits etcd's headers carry; never 0 for a real cluster.
    #[must_use]
    pub const fn short(self) -> u64 {
        #[allow(clippy::cast_possible_truncation, reason = "half of the identifier is the point")]
        let low = self.0 as u64;
        if low == 0 { 1 } else { low }
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}
