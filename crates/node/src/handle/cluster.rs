//! What this node sees of the others (feature C5).

use std::time::Duration;

use consensus::{Flow, Role};
use region::GroupStats;
use state::directory::NodeRecord;
use types::{Fault, Index, NodeId, RegionId, Term};

use super::Handle;
use crate::liveness::{self, Link, NodeLiveness, NodeState};
use crate::observe::Observer;
use crate::region_state::RegionState;
use crate::traffic::PeerTraffic;

/// The cluster as one node sees it.
#[derive(Clone, Debug)]
pub struct ClusterView {
    /// Every node, by number.
    pub nodes: Vec<NodeView>,
    /// The regions this node leads, by number.
    pub leads: Vec<LedRegion>,
}

/// A node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeView {
    /// Its name; empty while the cluster is being formed.
    pub name: String,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`; may be empty.
    pub client_address: String,
    /// What is heard of it.
    pub liveness: NodeLiveness,
}

/// A region that this node leads, with how far its replicas are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedRegion {
    /// Which.
    pub region: RegionId,
    /// In which term.
    pub term: Term,
    /// The last entry of its log.
    pub last: Index,
    /// Known committed up to here.
    pub commit: Index,
    /// Whether it sleeps: then every replica that is there has everything.
    pub hibernating: bool,
    /// The replicas, this node's included.
    pub replicas: Vec<ReplicaView>,
}

/// A replica as its leader knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaView {
    /// Where it lives.
    pub node: NodeId,
    /// Whether it does not vote.
    pub learner: bool,
    /// Durable there up to here.
    pub matched: Index,
    /// Sent next.
    pub next: Index,
    /// Entries it lacks of what is committed.
    pub lag: u64,
    /// How entries are sent to it.
    pub flow: Flow,
    /// Whether its node is there, and it has everything that is committed.
    pub is_caught_up: bool,
}

impl Handle {
    /// Every node of the cluster as this one hears it, this one included, by number.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeLiveness> {
        let shared = &self.shared;
        let (own, mut nodes) = {
            let liveness = shared.live.liveness.lock();
            let now = shared.clock.now();
            (liveness.running_for(now), liveness.view(now))
        };
        nodes.push(NodeLiveness {
            node: shared.node(),
            state: NodeState::Alive,
            incarnation: shared.incarnation.get(),
            for_time: own,
            last_heard: Some(Duration::ZERO),
            round_trip: None,
            link: Link::default(),
            hears_us: true,
            summary: liveness::summary(shared),
        });
        nodes.sort_by_key(|node| node.node);
        nodes
    }

    /// Every node with its addresses, and how far the replicas of each region are that this node leads.
    /// Costs a look at every region.
    ///
    /// # Errors
    /// As [`Handle::stats`].
    pub async fn cluster_view(&self) -> Result<ClusterView, Fault> {
        let nodes = self.nodes();
        let alive = |node: NodeId| {
            let known = nodes.iter().find(|known| known.node == node);
            known.is_some_and(|known| known.state != NodeState::Lost)
        };
        let groups = self.stats(None).await?.into_iter().filter_map(|region| region.group);
        let leads = groups.filter(|group| group.role == Role::Leader);
        let leads = leads.map(|group| led(&group, &alive)).collect();
        let directory = self.shared.directory();
        let nodes = nodes.into_iter().map(|liveness| {
            let record = directory.nodes.get(&liveness.node);
            let text = |of: fn(&NodeRecord) -> &String| record.map(of).cloned().unwrap_or_default();
            NodeView {
                name: text(|record| &record.name),
                peer_address: text(|record| &record.peer_address),
                client_address: text(|record| &record.client_address),
                liveness,
            }
        });
        Ok(ClusterView { nodes: nodes.collect(), leads })
    }

    /// Follows who leads, who is there, what regions can do, and the cluster's configuration. However
    /// slowly it is asked, it ends with what is newest, and nobody waits for it.
    #[must_use]
    pub fn observe(&self) -> Observer {
        self.shared.live.observatory.observe(self.shared.watch_directory())
    }

    /// What a region with a replica here can do now, as this node sees it; `None` without one.
    #[must_use]
    pub fn region_state(&self, region: RegionId) -> Option<RegionState> {
        self.shared.region_state(region)
    }

    /// What went to and came from each other node since this one's start. Snapshots are not counted.
    #[must_use]
    pub fn traffic(&self) -> Vec<(NodeId, PeerTraffic)> {
        self.shared.live.traffic.read()
    }
}

fn led(group: &GroupStats, is_alive: &impl Fn(NodeId) -> bool) -> LedRegion {
    let replicas = group.peers.iter().map(|peer| {
        let lag = group.commit.get().saturating_sub(peer.matched.get());
        ReplicaView {
            node: peer.node,
            learner: peer.learner,
            matched: peer.matched,
            next: peer.next,
            lag,
            flow: peer.flow,
            is_caught_up: lag == 0 && is_alive(peer.node),
        }
    });
    LedRegion {
        region: group.region,
        term: group.term,
        last: group.last,
        commit: group.commit,
        hibernating: group.hibernating,
        replicas: replicas.collect(),
    }
}
