//! The directory of a cluster of one node.

use std::collections::{BTreeMap, BTreeSet};

use state::directory::{Directory, Part, Phase, RegionRecord, Regions, Sharding, SplitPlan};
use types::{ClusterId, Epoch, RegionId};

use super::survey::{RegionLeft, Survey};

/// Makes the directory that of the survivor alone. `epochs` are those of the regions from here on.
pub(super) fn change(
    directory: &mut Directory,
    survey: &Survey,
    cluster: ClusterId,
    epochs: &BTreeMap<RegionId, Epoch>,
) {
    let own = survey.node;
    let others: Vec<_> = directory.nodes.keys().filter(|node| **node != own).copied().collect();
    directory.nodes.retain(|node, _| *node == own);
    directory.removed.extend(others);
    directory.removed.remove(&own);
    if let Some(node) = directory.nodes.get_mut(&own) {
        (node.part, node.phase, node.is_draining) = (Part::Voter, Phase::Member, false);
    }
    directory.cluster = Some(cluster);
    let old = std::mem::take(&mut directory.regions);
    let records = survey.regions.iter().map(|left| {
        let epoch = epochs.get(&left.region).copied().unwrap_or_default();
        record(&old, left, epoch)
    });
    directory.regions = records.collect();
    let sharded = directory.keyspaces.values().filter(|keyspace| keyspace.is_sharded());
    let firsts: Vec<_> = sharded
        .filter_map(|keyspace| {
            let first = directory.regions_of(keyspace.id).first().map(|record| record.id)?;
            let is_there = directory.regions.contains_key(&keyspace.region);
            (!is_there).then_some((keyspace.id, first))
        })
        .collect();
    for (id, first) in firsts {
        if let Some(keyspace) = directory.keyspaces.get_mut(&id) {
            keyspace.region = first;
        }
    }
}

fn record(old: &Regions, left: &RegionLeft, epoch: Epoch) -> RegionRecord {
    let node = left.peer.node();
    let born = RegionRecord::born(left.region, left.id, [node]);
    let known = old.get(&left.region);
    let sharding = left.shape.as_ref().map(|shape| {
        let before = known.and_then(|it| it.sharding.as_deref());
        Box::new(Sharding {
            birth: before.map_or_else(|| shape.range.clone(), |it| it.birth.clone()),
            plan: known.and_then(|known| plan(old, known, epoch)),
            placed: BTreeSet::from([node]),
        })
    });
    let range = left.shape.as_ref().map_or(born.range.clone(), |shape| shape.range.clone());
    RegionRecord {
        epoch,
        range,
        peers: vec![(left.peer, node)],
        // Nobody begins from nothing.
        first: Vec::new(),
        sharding,
        ..born
    }
}

/// The split that is still to be told of: the directory may know of more or less than the region itself.
fn plan(old: &Regions, known: &RegionRecord, epoch: Epoch) -> Option<SplitPlan> {
    if known.epoch.version == epoch.version {
        return known.sharding.as_ref()?.plan.clone();
    }
    // The directory was told of a split that this replica has not come to yet.
    let at = known.range.end.clone().filter(|_| known.epoch.version == epoch.version + 1)?;
    let child = old.values().find(|it| it.keyspace == known.keyspace && it.range.start == at)?;
    Some(SplitPlan { at, child: child.id })
}
