//! What this node sees of the others (feature C5).

use std::time::Duration;

use types::{NodeId, RegionId};

use super::Handle;
use crate::liveness::{self, NodeLiveness, NodeState};
use crate::observe::Observer;
use crate::region_state::RegionState;
use crate::traffic::PeerTraffic;

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
            hears_us: true,
            summary: liveness::summary(shared),
        });
        nodes.sort_by_key(|node| node.node);
        nodes
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
