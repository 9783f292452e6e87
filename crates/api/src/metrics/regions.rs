//! Regions: each of the first, and all of them together.

use std::collections::BTreeMap;

use node::{Flow, GroupStats, RegionStats, Role};
use state::directory::Directory;
use types::NodeId;

use super::text::{
    Kind::{Counter, Gauge},
    Text,
};

/// A family of numbers of a region.
type PerRegion = (&'static str, &'static str, fn(&GroupStats) -> u64);

const FAMILIES: [PerRegion; 7] = [
    ("hiraeth_region_term", "The Raft term.", |it| it.term.get()),
    ("hiraeth_region_is_leader", "Whether the replica here leads.", |it| {
        u64::from(it.role == Role::Leader)
    }),
    ("hiraeth_region_first_index", "The oldest index in the log.", |it| it.first.get()),
    ("hiraeth_region_last_index", "The newest index in the log.", |it| it.last.get()),
    ("hiraeth_region_commit_index", "The newest index known committed.", |it| it.commit.get()),
    ("hiraeth_region_applied_index", "The newest index applied.", |it| it.applied.get()),
    ("hiraeth_region_pending_proposals", "Proposals that wait for their commit.", |it| {
        it.pending_proposals as u64
    }),
];

/// What other nodes lack of the regions that this one leads.
fn followers<'a>(text: &mut Text, groups: impl Iterator<Item = &'a GroupStats>) {
    let mut behind: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for group in groups.filter(|group| group.role == Role::Leader) {
        for peer in group.peers.iter().filter(|peer| peer.peer != group.peer) {
            let (lag, snapshots) = behind.entry(peer.node).or_default();
            *lag = (*lag).max(group.commit.get().saturating_sub(peer.matched.get()));
            *snapshots += u64::from(matches!(peer.flow, Flow::Snapshot { .. }));
        }
    }
    let name = "hiraeth_peer_lag_entries";
    text.family(name, Gauge, "The most committed entries that a node lacks of a region led here.");
    for (node, (lag, _)) in &behind {
        text.value(name, &[("peer", &node.to_string())], lag);
    }
    let name = "hiraeth_peer_snapshots";
    text.family(name, Gauge, "Regions led here that a node is being sent a snapshot of.");
    for (node, (_, snapshots)) in &behind {
        text.value(name, &[("peer", &node.to_string())], snapshots);
    }
}

pub(super) fn write(text: &mut Text, regions: &[RegionStats], directory: &Directory, most: usize) {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for region in regions {
        *states.entry(region.state.kind.name()).or_default() += 1;
    }
    text.family("hiraeth_regions", Gauge, "Regions with a replica here, by what they can do.");
    for (state, count) in states {
        text.value("hiraeth_regions", &[("state", state)], count);
    }
    let groups = || regions.iter().filter_map(|it| it.group.as_ref());
    let lag = |it: &GroupStats| it.commit.get().saturating_sub(it.applied.get());
    let worst = groups().map(lag).max().unwrap_or(0);
    let help = "The most entries one region has committed and not applied.";
    text.one("hiraeth_apply_lag_max_entries", Gauge, help, worst);
    let commits: u64 = groups().map(|it| it.commit.get()).sum();
    let help = "Entries committed, over all regions here.";
    text.one("hiraeth_committed_entries_total", Counter, help, commits);
    let memory: usize = groups().map(|it| it.memory_bytes).sum();
    let help = "About what the regions cost in memory, without their state.";
    text.one("hiraeth_regions_memory_bytes", Gauge, help, memory);
    followers(text, groups());
    let named: Vec<(String, &str, &GroupStats)> = regions
        .iter()
        .take(most)
        .filter_map(|it| {
            let keyspace = directory.keyspaces.get(&it.keyspace);
            let keyspace = keyspace.map_or("", |record| record.name.as_str());
            Some((it.region.to_string(), keyspace, it.group.as_ref()?))
        })
        .collect();
    for (name, help, number) in FAMILIES {
        text.family(name, Gauge, help);
        for (region, keyspace, group) in &named {
            let labels = [("region", region.as_str()), ("keyspace", *keyspace)];
            text.value(name, &labels, number(group));
        }
    }
}
