//! What whoever runs the cluster does about a node whose data is lost or damaged, as `docs/operations.md`
//! says: it is removed, and a node with another number and an empty directory takes its place.

use std::collections::BTreeSet;

use types::{NodeId, RegionId};

use crate::event::Event;
use crate::node::{Node, Running};
use crate::sky::Sky;

/// A new node sits down where the lost one sat. That it is to have replicas, and the lost one none, is
/// for whoever leads to bring about.
pub(crate) fn replace(sky: &mut Sky, node: &mut Node, life: u64) {
    if node.life != life || !node.is_given_up {
        return;
    }
    let lost = node.id;
    let new = sky.roster.replace(node.at());
    sky.counts.replaced += 1;
    sky.note(new, "takes the place of", [lost.get(), 0, 0, 0]);
    node.begin_anew(new);
    if let Some(lying) = &mut sky.atlas.lying {
        lying.successor = Some(new);
    }
    let delay = sky.between(1_000, 300_000);
    sky.after(delay, Event::Restart { node: node.at(), life: node.life });
}

/// Whether another disk may lie: who came votes wherever who was lost did, and that one does nowhere.
pub(crate) fn look_whether_whole(sky: &mut Sky, nodes: &[Node]) {
    let Some(lying) = sky.atlas.lying else { return };
    let Some(new) = lying.successor else { return };
    let running = || nodes.iter().filter_map(|node| node.running.as_ref());
    let regions: BTreeSet<RegionId> = running().flat_map(|it| it.shards.keys().copied()).collect();
    let is_done = |region: &RegionId| {
        let leader =
            running().find(|it| it.shards.get(region).is_some_and(|shard| shard.leadership.here));
        leader.is_some_and(|leader| has_followed(sky, leader, *region, (lying.node, new)))
    };
    if regions.iter().all(is_done) {
        sky.counts.whole_again += 1;
        sky.note(new, "is in its place", [lying.node.get(), 0, 0, 0]);
        sky.atlas.lying = None;
    }
}

fn has_followed(
    sky: &Sky,
    leader: &Running,
    region: RegionId,
    (lost, new): (NodeId, NodeId),
) -> bool {
    let Some(shard) = leader.shards.get(&region) else { return false };
    let conf = &shard.machine.applied().conf_state;
    let all = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    let is_rid = all.into_iter().all(|peer| peer.node() != lost);
    let is_here = conf.voters.iter().any(|peer| peer.node() == new);
    // Where regions are on some nodes only, others may have taken the place.
    let directory = &leader.directory;
    let is_placed = directory.regions.get(&region).is_some_and(|it| it.placed().is_some());
    let is_known = !sky.settings.with_meta || directory.removed.contains(&lost);
    is_rid && is_known && (is_here || is_placed)
}
