//! The regions of sharded keyspaces are led by all nodes alike: a split's child begins where its parent is
//! led, and whoever comes back leads nothing. Every node sees who leads what, so each hands over what it has
//! too much of, and nobody has to be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use state::directory::{Part, Phase};
use tokio::time::sleep;
use types::{NodeId, RegionId};

use crate::poller::ToPoller;
use crate::shared::Shared;

/// Between two looks; a handover that was begun is over by then, or given up.
const LOOK: Duration = Duration::from_secs(2);
/// Regions that are handed over at once: each takes no writes for a moment.
const AT_ONCE: usize = 8;

/// Runs as long as the node.
pub(crate) async fn balance(shared: Arc<Shared>) {
    loop {
        sleep(LOOK).await;
        let own = shared.node();
        let (led, nodes) = (led(&shared), nodes(&shared));
        if !nodes.contains(&own) {
            continue;
        }
        for (region, to) in region::handovers(&led, &nodes, own, AT_ONCE) {
            tracing::debug!(%region, %to, "another node is to lead the region");
            shared.poller(region).push(ToPoller::HandOver { region, to });
        }
    }
}

/// The leaders of the regions that may be led anywhere.
fn led(shared: &Shared) -> BTreeMap<RegionId, NodeId> {
    let shards = shared.shards();
    let sharded = shards.iter().filter(|(_, shard)| shard.is_sharded);
    sharded.filter_map(|(region, shard)| Some((*region, shard.leadership().leader?))).collect()
}

/// The nodes that may lead: members with a vote that are well, as far as this one knows.
fn nodes(shared: &Shared) -> BTreeSet<NodeId> {
    let directory = shared.directory();
    let liveness = shared.live.liveness.lock();
    let own = shared.node();
    let is_well = |node: NodeId| {
        if node == own {
            !shared.space.is_read_only() && !shared.live.health.is_stopping()
        } else {
            liveness.is_alive(node) && !liveness.is_read_only(node) && !liveness.is_stopping(node)
        }
    };
    let members = directory.nodes.values();
    let voters = members.filter(|it| it.part == Part::Voter && it.phase == Phase::Member);
    voters.map(|it| it.id).filter(|node| is_well(*node)).collect()
}
