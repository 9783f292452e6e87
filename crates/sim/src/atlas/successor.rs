//! What whoever runs the cluster does about a node whose data is lost or damaged, as `docs/operations.md`
//! says: it is removed, and a node with another number and an empty directory takes its place.

use std::collections::BTreeSet;

use state::Applied;
use storage::engine::Engine;
use types::RegionId;

use crate::event::Event;
use crate::node::Node;
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

/// Whether another disk may lie: who came votes wherever who was lost did, and that one does nowhere, as
/// every node knows for good. Before that, who is left may still need a vote of the one that is lost.
pub(crate) fn look_whether_whole(sky: &mut Sky, nodes: &[Node]) {
    let Some(lying) = sky.atlas.lying else { return };
    let Some(new) = lying.successor else { return };
    let running = || nodes.iter().filter_map(|node| node.running.as_ref());
    let mut regions: BTreeSet<RegionId> =
        running().flat_map(|it| it.shards.keys().copied()).collect();
    regions.extend(sky.settings.regions.iter().copied());
    // Those, too, of which everybody who has a replica is down.
    regions.extend(running().flat_map(|it| it.directory.regions.keys().copied()));
    let is_known =
        !sky.settings.with_meta || running().any(|it| it.directory.removed.contains(&lying.node));
    let has_followed = |node: &Node, region: &RegionId| {
        // An engine writes its tables in its own time; this one does now.
        node.engine.flush_soon();
        let applied = Applied::stored(*region, &*node.engine.durable());
        let Ok(Applied { conf_state: conf, .. }) = applied else { return false };
        let mut all = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
        let is_everywhere = sky.settings.replicas == 0 || *region == RegionId::META;
        all.all(|peer| peer.node() != lying.node)
            && (!is_everywhere || conf.voters.iter().any(|peer| peer.node() == new))
    };
    if is_known && regions.iter().all(|it| nodes.iter().all(|node| has_followed(node, it))) {
        sky.counts.whole_again += 1;
        sky.note(new, "is in its place", [lying.node.get(), 0, 0, 0]);
        sky.atlas.lying = None;
    }
}
