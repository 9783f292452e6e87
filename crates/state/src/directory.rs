//! What the meta region knows: the cluster, its nodes, its keyspaces, its regions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use types::{
    ClusterId, Code, ConfState, Epoch, Fault, Index, KeyRange, KeyspaceId, NodeId, PeerId, RegionId,
};

use crate::auth::Auth;
use crate::command::level;
use crate::registry::{MACHINE, shard_name};

mod regions;

pub use regions::Regions;

/// How far a node is with being part of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// It was added and has not come yet: nobody knows its data directory, and no region is on it.
    Joining,
    /// It is part of the cluster.
    #[default]
    Member,
    /// It was removed; its replicas go one after the other, and then its record.
    Leaving,
}

/// What a node's replicas are to become.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// They receive and do not vote.
    Learner,
    /// They vote, once they caught up.
    Voter,
}

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
    /// What its replicas are to become.
    pub part: Part,
    /// How far it is with that.
    pub phase: Phase,
    /// What it shares a fate with: a rack, a building. Replicas are kept apart by it; empty where nothing
    /// was said.
    pub zone: String,
    /// It is to be rid of the replicas of sharded keyspaces, and stays a member.
    pub is_draining: bool,
}

impl NodeRecord {
    /// Whether it counts for majorities, now or as soon as it caught up.
    #[must_use]
    pub fn votes(&self) -> bool {
        self.part == Part::Voter && self.phase != Phase::Leaving
    }
}

/// A keyspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyspaceRecord {
    /// Its number; never reused.
    pub id: KeyspaceId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// The region that holds it: an ordered keyspace always has one, of a sharded one it is the first.
    pub region: RegionId,
    /// Which machine carries out its commands: a custom one, that of the registry, that of the regions of
    /// a sharded keyspace ([`crate::sharded::MACHINE`]); `None` for keys and values.
    pub machine: Option<String>,
    /// How many replicas each of its regions is to have, where it is sharded; 0 for one on every node, as all
    /// others have.
    pub replicas: u32,
}

impl KeyspaceRecord {
    /// Whether its keys are spread over any number of regions.
    #[must_use]
    pub fn is_sharded(&self) -> bool {
        self.machine.as_deref() == Some(crate::sharded::MACHINE)
    }
}

/// A split that is going to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SplitPlan {
    /// The first key of the new region.
    pub at: Bytes,
    /// The new region.
    pub child: RegionId,
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
    /// Its replicas and where they live, as its leader told last.
    pub peers: Vec<(PeerId, NodeId)>,
    /// Those of them that do not vote.
    pub learners: Vec<PeerId>,
    /// The replicas it was born with: theirs is the configuration before the first entry of its log.
    pub first: Vec<PeerId>,
    /// Where it is one of a sharded keyspace: what it was born with, and what becomes of it.
    pub sharding: Option<Box<Sharding>>,
}

/// What the directory knows of a region of a sharded keyspace besides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sharding {
    /// The keys it owned before the first entry of its log.
    pub birth: KeyRange,
    /// The split that is going to be made of it.
    pub plan: Option<SplitPlan>,
    /// The nodes its replicas are to be on; none said means all.
    pub placed: BTreeSet<NodeId>,
}

impl RegionRecord {
    /// A new region with a voting replica on each of `nodes`.
    #[must_use]
    pub fn born(
        id: RegionId,
        keyspace: KeyspaceId,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let peers: Vec<_> = nodes.into_iter().map(|node| (PeerId::on(node, 0), node)).collect();
        Self {
            id,
            keyspace,
            range: KeyRange::all(),
            epoch: Epoch { version: 1, conf_ver: 1 },
            first: peers.iter().map(|(peer, _)| *peer).collect(),
            peers,
            learners: Vec::new(),
            sharding: None,
        }
    }

    /// The same with keys in memory of their own: those that were read are part of a block of the engine.
    #[must_use]
    pub(crate) fn copied(mut self) -> Self {
        let range = self.range.copied();
        if let Some(sharding) = &mut self.sharding {
            let is_same = sharding.birth == range;
            sharding.birth = if is_same { range.clone() } else { sharding.birth.copied() };
            if let Some(plan) = &mut sharding.plan {
                plan.at = Bytes::copy_from_slice(&plan.at);
            }
        }
        Self { range, ..self }
    }

    /// Whether replicas it has are none any more in a later configuration.
    #[must_use]
    pub fn loses_some(&self, conf: &ConfState) -> bool {
        let stays = |peer: &PeerId| {
            [&conf.voters, &conf.learners, &conf.voters_outgoing]
                .iter()
                .any(|all| all.contains(peer))
        };
        !self.peers.iter().all(|(peer, _)| stays(peer))
    }

    /// Makes it one of a sharded keyspace, that owns `range`, and whose replicas are to be `placed`.
    #[must_use]
    pub fn owning(self, range: KeyRange, placed: BTreeSet<NodeId>) -> Self {
        let sharding = Some(Box::new(Sharding { birth: range.clone(), plan: None, placed }));
        Self { range, sharding, ..self }
    }

    /// The nodes its replicas are to be on, where it is on some of them only.
    #[must_use]
    pub fn placed(&self) -> Option<&BTreeSet<NodeId>> {
        self.sharding.as_ref().map(|sharding| &sharding.placed).filter(|placed| !placed.is_empty())
    }

    /// The replica on `node`, if there is one.
    #[must_use]
    pub fn peer_on(&self, node: NodeId) -> Option<PeerId> {
        self.peers.iter().find(|(_, at)| *at == node).map(|(peer, _)| *peer)
    }

    /// Whether a log on `node` that begins at `first`, for which there is no state, is that of another
    /// replica than the one this knows there. A replica without a state is one of the first, whose state
    /// is made again; or it came later and waits for a snapshot, and then its log is at its beginning.
    /// Such a one is never taken for another: this directory may be from before it came. Where the log says
    /// of which `generation` it is, that counts: one that this knows, or that came after what this knows,
    /// has lost its state and did not leave.
    #[must_use]
    pub fn is_other_than(&self, node: NodeId, first: Index, generation: Option<u32>) -> bool {
        let own = self.peer_on(node);
        let is_possible = first > Index(1) && own.is_none_or(|peer| !self.first.contains(&peer));
        is_possible
            && generation.is_none_or(|generation| {
                // A replica is added in a change that moves the version from its generation on.
                let is_known = u64::from(generation) < self.epoch.conf_ver;
                is_known && own.map(PeerId::generation) != Some(generation)
            })
    }

    /// Whether this is of a state of the region that is as new as the one with `epoch`, or newer: who is none
    /// of its replicas then, left.
    #[must_use]
    pub const fn knows(&self, epoch: Epoch) -> bool {
        self.epoch.version >= epoch.version && self.epoch.conf_ver >= epoch.conf_ver
    }

    /// Whether the replica votes.
    #[must_use]
    pub fn votes(&self, peer: PeerId) -> bool {
        !self.learners.contains(&peer) && self.peers.iter().any(|(known, _)| *known == peer)
    }
}

/// Everything the meta region holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// Which cluster this is; `None` until its first command was applied.
    pub cluster: Option<ClusterId>,
    /// The servers.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Servers that were removed. Their numbers are not used again, and nobody listens to them.
    pub removed: BTreeSet<NodeId>,
    /// The keyspaces.
    pub keyspaces: BTreeMap<KeyspaceId, KeyspaceRecord>,
    /// The regions, the meta region itself among them.
    pub regions: Regions,
    /// Up to which level each server knows what goes through logs, as far as they told.
    pub levels: BTreeMap<NodeId, u32>,
    /// Up to which level all may use it; 0 as long as nobody raised it.
    pub raised: u32,
    /// The users, and what they may do.
    pub auth: Arc<Auth>,
}

impl Directory {
    /// What came up to this level may be put into a log.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.raised.max(level::FIRST)
    }

    /// What every server that came knows.
    #[must_use]
    pub fn known_level(&self) -> u32 {
        let came = self.nodes.values().filter(|node| node.phase != Phase::Joining);
        let known = came.map(|node| self.levels.get(&node.id).copied().unwrap_or(level::FIRST));
        known.min().unwrap_or(level::FIRST)
    }

    /// Whether a server that knows so much may be one of the cluster.
    ///
    /// # Errors
    /// `ClusterMismatch`, with what to do.
    pub fn admits(&self, name: &str, most: u32) -> Result<(), Fault> {
        if most >= self.level() {
            return Ok(());
        }
        let detail = format!(
            "{name} is of an older build: it knows level {most}, and the cluster is at level {}, from which \
             it does not go back; install the build that the other nodes run",
            self.level()
        );
        Err(Fault::new(Code::ClusterMismatch, detail))
    }

    /// The keyspace called `name`.
    #[must_use]
    pub fn keyspace_named(&self, name: &str) -> Option<&KeyspaceRecord> {
        self.keyspaces.values().find(|keyspace| keyspace.name == name)
    }

    /// Whether the region's leader is chosen so that no node leads much more than another: of a sharded
    /// keyspace, or a part of a sharded registry.
    #[must_use]
    pub fn is_led_evenly(&self, region: RegionId) -> bool {
        let Some(record) = self.regions.get(&region) else { return false };
        if record.sharding.is_some() {
            return true;
        }
        let keyspace = self.keyspaces.get(&record.keyspace);
        keyspace.is_some_and(|it| it.machine.as_deref() == Some(MACHINE))
            && self.keyspace_named(&shard_name(1)).is_some()
    }

    /// The regions of a keyspace in the order of their keys.
    #[must_use]
    pub fn regions_of(&self, keyspace: KeyspaceId) -> Vec<&RegionRecord> {
        let regions = self.regions.values().filter(|region| region.keyspace == keyspace);
        let mut regions: Vec<_> = regions.collect();
        regions.sort_by(|a, b| a.range.start.cmp(&b.range.start));
        regions
    }

    /// Whether every key of a sharded keyspace is owned by exactly one region.
    #[must_use]
    pub fn is_tiled(&self, keyspace: KeyspaceId) -> bool {
        let regions = self.regions_of(keyspace);
        let mut next = Some(Bytes::new());
        for region in regions {
            let owned = !region.range.is_empty();
            if !owned || next.as_ref() != Some(&region.range.start) {
                return false;
            }
            next.clone_from(&region.range.end);
        }
        next.is_none()
    }

    /// On which nodes a region's replicas are to be, and as what: on all of them, or where they were placed.
    /// The meta region comes first to a node that joins, because it tells it of the others, and goes last
    /// from one that leaves.
    #[must_use]
    pub fn wanted(&self, region: RegionId) -> BTreeMap<NodeId, Part> {
        if let Some(placed) = self.regions.get(&region).and_then(RegionRecord::placed) {
            // Where one leaves, somebody has to be found first for what it has.
            let known = placed.iter().filter(|node| self.nodes.contains_key(node));
            return known.map(|node| (*node, Part::Voter)).collect();
        }
        let meta = self.regions.get(&RegionId::META);
        let is_wanted = |node: &NodeRecord| match (node.phase, region) {
            (Phase::Joining, _) => false,
            (Phase::Member, RegionId::META) => true,
            (Phase::Member, _) => meta.is_some_and(|meta| meta.peer_on(node.id).is_some()),
            (Phase::Leaving, RegionId::META) => self.is_home(node.id, |of| of != RegionId::META),
            (Phase::Leaving, _) => false,
        };
        let nodes = self.nodes.values().filter(|node| is_wanted(node));
        nodes.map(|node| (node.id, node.part)).collect()
    }

    /// How many voters there are or will be, and how many of them came at least once.
    fn voters(&self, counts: impl Fn(&NodeRecord) -> bool) -> (usize, usize) {
        let voters = self.nodes.values().filter(|node| node.votes() && counts(node));
        voters.fold((0, 0), |(all, started), node| {
            (all + 1, started + usize::from(node.identity != 0))
        })
    }

    /// etcd's rule: beside a voter that has not come yet there is still a majority that has. The second
    /// node of a cluster is the exception.
    #[must_use]
    pub fn bears_another_voter(&self) -> bool {
        let (voters, started) = self.voters(|_| true);
        (voters, started) == (1, 1) || started > voters.div_ceil(2)
    }

    /// The same, for a learner that is to vote.
    #[must_use]
    pub fn bears_promotion(&self) -> bool {
        let (voters, started) = self.voters(|_| true);
        started >= voters.div_ceil(2)
    }

    /// Whether a majority of those that would be left has come at least once. A learner is no loss.
    #[must_use]
    pub fn bears_loss_of(&self, node: NodeId) -> bool {
        let votes = self.nodes.get(&node).is_some_and(|node| node.part == Part::Voter);
        let (voters, started) = self.voters(|other| other.id != node);
        !votes || (voters > 0 && started > voters / 2)
    }

    /// Whether a region that `counts` has a replica on the node.
    pub(crate) fn is_home(&self, node: NodeId, counts: impl Fn(RegionId) -> bool) -> bool {
        let mut regions = self.regions.values().filter(|region| counts(region.id));
        regions.any(|region| region.peer_on(node).is_some())
    }
}

#[cfg(test)]
mod tests {
    use types::{Epoch, Index, KeyspaceId, NodeId, PeerId, RegionId};

    use super::RegionRecord;

    /// On node 2 there are the replicas of generations 0, 4 and 7 one after the other.
    #[test]
    fn a_log_without_a_state_is_known_by_its_generation() {
        let node = NodeId(2);
        let born = RegionRecord::born(RegionId(9), KeyspaceId(3), [NodeId(1), node]);
        let at = |conf_ver, own: Option<u32>| RegionRecord {
            epoch: Epoch { version: 1, conf_ver },
            peers: own.map(|generation| (PeerId::on(node, generation), node)).into_iter().collect(),
            ..born.clone()
        };
        let cases = [
            // Directory, generation of the log: whether it is another one's.
            (at(8, Some(7)), Some(7), false),
            (at(8, Some(7)), Some(4), true),
            (at(8, Some(7)), Some(0), true),
            (at(6, None), Some(4), true),
            // The directory is from before that replica came.
            (at(6, None), Some(7), false),
            (at(5, Some(4)), Some(7), false),
            // What older builds wrote.
            (at(8, Some(7)), None, true),
            (at(6, None), None, true),
            (at(1, Some(0)), None, false),
        ];
        for (record, generation, expected) in cases {
            let is_other = record.is_other_than(node, Index(40), generation);
            assert_eq!(is_other, expected, "{record:?}, {generation:?}");
            assert!(!record.is_other_than(node, Index(1), generation), "at its beginning");
        }
    }
}
