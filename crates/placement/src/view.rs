//! What a plan is made from, and what comes out.

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, RegionId};

use crate::leaders::LoadLimits;

/// The cluster as the meta region's leader sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// The nodes. One that is not among them is gone for good.
    pub nodes: BTreeMap<NodeId, NodeView>,
    /// The regions whose replicas are to be placed.
    pub regions: BTreeMap<RegionId, RegionView>,
}

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NodeState {
    /// It has replicas and takes more.
    #[default]
    Serving,
    /// It is leaving, or was asked to be emptied.
    Draining,
    /// It was added and cannot take anything yet.
    Joining,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeView {
    /// What it is for.
    pub state: NodeState,
    /// What it fails together with. Nodes that said none (empty) are taken to fail together.
    pub zone: String,
    /// Seconds since it was heard of; 0 while it is there.
    pub down_seconds: u64,
    /// Whether more may be put on it: its disk has space, and it is not about to stop.
    pub accepts: bool,
    /// What it is asked for beside the regions that are placed, in requests per second.
    pub load: u64,
}

/// A region.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RegionView {
    /// Where its voters are to be.
    pub wanted: BTreeSet<NodeId>,
    /// Where they are. A move is under way where that is not the same.
    pub current: BTreeSet<NodeId>,
    /// How many it is to have. 0 counts as 1: nothing is ever planned away altogether.
    pub replicas: usize,
    /// Bytes of keys and values in one replica.
    pub bytes: u64,
    /// Who leads it.
    pub leader: Option<NodeId>,
    /// What clients ask for, of all nodes together, in requests per second.
    pub load: u64,
}

/// How much may go on at once, and when it begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Moves of the whole cluster at once.
    pub moves: usize,
    /// Moves at once whose data comes from one node: the region's leader sends it.
    pub sends: usize,
    /// Moves at once to one node.
    pub receives: usize,
    /// Seconds after which a node that is not heard of counts as lost, and its replicas are built
    /// elsewhere. One that only restarts needs nothing but the end of its logs.
    pub lost_after: u64,
    /// Seconds after which a move to a node that is not heard of goes elsewhere: that node has
    /// nothing yet that would be worth waiting for.
    pub stalled_after: u64,
    /// Percent of the average a node may have more or less of before anything is moved for balance.
    pub tolerance: u64,
    /// When a replica is moved because its region is asked for much.
    pub load: LoadLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            moves: 64,
            sends: 4,
            receives: 4,
            lost_after: 30 * 60,
            stalled_after: 60,
            tolerance: 5,
            load: LoadLimits::default(),
        }
    }
}

/// One small step of one region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    /// The region.
    pub region: RegionId,
    /// Where its voters are to be from now on.
    pub nodes: BTreeSet<NodeId>,
    /// What it is good for.
    pub why: Why,
}

/// Why a region moves, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// A node is lost, and with it a replica, or the target of a move.
    Repair,
    /// A node is to be emptied.
    Drain,
    /// The region has too few replicas.
    MakeUp,
    /// It has too many.
    Surplus,
    /// Its replicas can be spread over more zones.
    Zones,
    /// A node has more than another.
    Balance,
    /// A node is asked for more than another, and nobody that has a replica can lead instead.
    Load,
}

impl RegionView {
    /// How many replicas it is to have, at least one.
    pub(crate) fn goal(&self) -> usize {
        self.replicas.max(1)
    }
}
