//! What the meta region knows: the cluster, its nodes, its keyspaces, its regions.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{ClusterId, Epoch, KeyRange, KeyspaceId, NodeId, PeerId, RegionId};

use crate::auth::Auth;

/// A server of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRecord {
    /// Its number in this cluster.
    pub id: NodeId,
    /// Its data directory's own random identity; a node that comes without it lost its data.
    /// 0 until the node was first met.
    pub identity: u128,
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`; empty until the node told it.
    pub client_address: String,
}

/// A keyspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyspaceRecord {
    /// Its number; never reused.
    pub id: KeyspaceId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// The region that holds it (an ordered keyspace always has one).
    pub region: RegionId,
    /// Which custom machine carries out its commands; `None` for keys and values.
    pub machine: Option<String>,
}

/// A region: a Raft group and the keys it owns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionRecord {
    /// Its number; never reused.
    pub id: RegionId,
    /// The keyspace it is part of.
    pub keyspace: KeyspaceId,
    /// The keys it owns in its keyspace.
    pub range: KeyRange,
    /// Its shape's version.
    pub epoch: Epoch,
    /// Its replicas and where they live.
    pub peers: Vec<(PeerId, NodeId)>,
}

/// Everything the meta region holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// Which cluster this is; `None` until its first command was applied.
    pub cluster: Option<ClusterId>,
    /// The servers.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// The keyspaces.
    pub keyspaces: BTreeMap<KeyspaceId, KeyspaceRecord>,
    /// The regions, the meta region itself among them.
    pub regions: BTreeMap<RegionId, RegionRecord>,
    /// The users, and what they may do.
    pub auth: Arc<Auth>,
}

impl Directory {
    /// The keyspace called `name`.
    #[must_use]
    pub fn keyspace_named(&self, name: &str) -> Option<&KeyspaceRecord> {
        self.keyspaces.values().find(|keyspace| keyspace.name == name)
    }
}
