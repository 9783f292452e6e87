//! What this node sees of the others (feature C5).

use std::time::Duration;

use types::{NodeId, RegionId};

use super::Handle;
use crate::liveness::{self, NodeLiveness, NodeState};
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
