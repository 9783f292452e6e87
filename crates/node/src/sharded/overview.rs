//! What the leader of the meta region knows of all regions of sharded keyspaces, from the reports of those
//! that lead them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use env::Moment;
use state::directory::{Directory, NodeRecord, Part, Phase};
use types::{NodeId, RegionId};

use super::report::REPORT;
use super::route::Sharding;
use crate::shared::Shared;

/// What a node said of a region it leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Led {
    pub(crate) region: RegionId,
    /// The version of its epoch.
    pub(crate) version: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

/// After how many reports that did not come a node's last one counts no longer.
const MISSED: u32 = 4;
/// Regions one node is told to hand over at once: each takes no writes for a moment.
const AT_ONCE: usize = 8;

#[derive(Default)]
pub(crate) struct Overview {
    reports: BTreeMap<NodeId, (Moment, Vec<Led>)>,
}

impl Overview {
    /// A node told what it leads, or that this is as before; answers whether that is known.
    pub(super) fn hear(&mut self, from: NodeId, now: Moment, regions: Option<Vec<Led>>) -> bool {
        match regions {
            Some(regions) => drop(self.reports.insert(from, (now, regions))),
            None => match self.reports.get_mut(&from) {
                Some(report) => report.0 = now,
                None => return false,
            },
        }
        true
    }

    /// Each region that somebody leads, with who does. Of two that say so, who said it last.
    pub(crate) fn led(&mut self, now: Moment) -> BTreeMap<RegionId, (NodeId, Led)> {
        let patience = REPORT * MISSED;
        self.reports.retain(|_, (at, _)| now.since(*at) < patience);
        let mut reports: Vec<_> = self.reports.iter().collect();
        reports.sort_by_key(|(_, (at, _))| *at);
        let all = reports
            .into_iter()
            .flat_map(|(node, (_, regions))| regions.iter().map(|led| (led.region, (*node, *led))));
        all.collect()
    }

    /// Nothing that was heard in an earlier term of office counts.
    pub(super) fn forget(&mut self) {
        self.reports.clear();
    }
}

impl Sharding {
    /// What a node is to hand over, that reports to the leader of the meta region, which this node is.
    pub(super) fn handovers(&self, shared: &Shared, from: NodeId) -> Vec<(RegionId, NodeId)> {
        let directory = shared.directory();
        let nodes = may_lead(shared, &directory);
        let led = self.overview.lock().led(shared.clock.now());
        let led: BTreeMap<_, _> =
            led.into_iter().map(|(region, (node, _))| (region, node)).collect();
        let homes = led.keys().filter_map(|region| Some((*region, homes(&directory, *region)?)));
        let plan = region::handovers(&led, &homes.collect(), &nodes, AT_ONCE * nodes.len().max(1));
        let own = plan.into_iter().filter(|handover| handover.from == from);
        own.map(|handover| (handover.region, handover.to)).take(AT_ONCE).collect()
    }
}

/// The nodes a region's voters are on; none while they are to be others.
fn homes(directory: &Directory, region: RegionId) -> Option<BTreeSet<NodeId>> {
    let record = directory.regions.get(&region)?;
    let voters = record.peers.iter().filter(|(peer, _)| record.votes(*peer));
    let voters: BTreeSet<_> = voters.map(|(_, node)| *node).collect();
    let wanted = directory.wanted(region);
    // Only where they are to stay.
    Some(voters.into_iter().filter(|node| wanted.contains_key(node)).collect())
}

/// The nodes that may lead: members with a vote that are well, as far as this one knows, and are not drained.
fn may_lead(shared: &Shared, directory: &Directory) -> BTreeSet<NodeId> {
    let members = directory.nodes.values().filter(|node| is_voter(node) && !node.is_draining);
    members.map(|node| node.id).filter(|node| is_well(shared, *node)).collect()
}

pub(super) fn is_voter(node: &NodeRecord) -> bool {
    node.part == Part::Voter && node.phase == Phase::Member
}

/// Whether a node can take something on.
pub(super) fn is_well(shared: &Shared, node: NodeId) -> bool {
    if node == shared.node() {
        return !shared.space.is_read_only() && !shared.live.health.is_stopping();
    }
    let liveness = shared.live.liveness.lock();
    liveness.is_alive(node) && !liveness.is_read_only(node) && !liveness.is_stopping(node)
}

/// For how long nothing was heard of a node.
pub(super) fn lost_for(shared: &Shared, node: NodeId) -> Duration {
    if node == shared.node() {
        return Duration::ZERO;
    }
    let lost = shared.live.liveness.lock().lost_for(shared.clock.now(), node);
    lost.map_or(Duration::ZERO, |(_, silent)| silent)
}
