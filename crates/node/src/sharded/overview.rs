//! What the leader of the meta region knows of all regions of sharded keyspaces, from the reports of those
//! that lead them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use region::Handover;
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
/// Regions one node is told to hand over at once, at least: each takes no writes for a moment.
const AT_ONCE: usize = 8;
/// Where there are many, so much of all of them at once.
const SHARE_AT_ONCE: usize = 64;

#[derive(Default)]
pub(crate) struct Overview {
    reports: BTreeMap<NodeId, (Moment, Vec<Led>)>,
    /// Goes up with every change of what is told.
    version: u64,
    /// Who is to lead what, and by what that was planned: with 10,000 regions it is dear, and mostly the
    /// same.
    planned: Option<(By, Vec<Handover>)>,
}

/// What a plan follows from.
struct By {
    version: u64,
    directory: Arc<Directory>,
    nodes: BTreeSet<NodeId>,
}

impl Overview {
    /// A node told what it leads, or that this is as before; answers whether that is known.
    pub(super) fn hear(&mut self, from: NodeId, now: Moment, regions: Option<Vec<Led>>) -> bool {
        match regions {
            Some(regions) => {
                let is_same = self.reports.get(&from).is_some_and(|(_, last)| *last == regions);
                self.version += u64::from(!is_same);
                self.reports.insert(from, (now, regions));
            }
            None => match self.reports.get_mut(&from) {
                Some(report) => report.0 = now,
                None => return false,
            },
        }
        true
    }

    /// Each region that somebody leads, with who does. Of two that say so, who said it last.
    pub(crate) fn led(&mut self, now: Moment) -> BTreeMap<RegionId, (NodeId, Led)> {
        self.version(now);
        let mut reports: Vec<_> = self.reports.iter().collect();
        reports.sort_by_key(|(_, (at, _))| *at);
        let all = reports
            .into_iter()
            .flat_map(|(node, (_, regions))| regions.iter().map(|led| (led.region, (*node, *led))));
        all.collect()
    }

    /// The same for as long as [`Self::led`] is; but for who said last that it leads a region of which two
    /// say so.
    pub(super) fn version(&mut self, now: Moment) -> u64 {
        let (known, patience) = (self.reports.len(), REPORT * MISSED);
        self.reports.retain(|_, (at, _)| now.since(*at) < patience);
        self.version += u64::from(self.reports.len() != known);
        self.version
    }

    /// Nothing that was heard in an earlier term of office counts.
    pub(super) fn forget(&mut self) {
        self.reports.clear();
        self.version += 1;
    }
}

impl Sharding {
    /// What a node is to hand over, that reports to the leader of the meta region, which this node is.
    pub(super) fn handovers(&self, shared: &Shared, from: NodeId) -> Vec<(RegionId, NodeId)> {
        let (directory, now) = (shared.directory(), shared.clock.now());
        let nodes = may_lead(shared, &directory);
        let overview = &mut *self.overview.lock();
        let by = By { version: overview.version(now), directory, nodes };
        if overview.planned.as_ref().is_none_or(|(known, _)| !known.is_as(&by)) {
            let plan = plan(&overview.led(now), &by);
            overview.planned = Some((by, plan));
        }
        let plan = overview.planned.as_ref().map_or(&[][..], |(_, plan)| plan);
        let own = plan.iter().filter(|handover| handover.from == from);
        own.map(|handover| (handover.region, handover.to)).collect()
    }
}

impl By {
    fn is_as(&self, other: &Self) -> bool {
        self.version == other.version
            && self.nodes == other.nodes
            && Arc::ptr_eq(&self.directory, &other.directory)
    }
}

/// As many for each node as may be at once.
fn plan(led: &BTreeMap<RegionId, (NodeId, Led)>, by: &By) -> Vec<Handover> {
    let led: BTreeMap<_, _> = led.iter().map(|(region, (node, _))| (*region, *node)).collect();
    let homes = led.keys().filter_map(|region| Some((*region, homes(&by.directory, *region)?)));
    let at_once = AT_ONCE.max(led.len() / SHARE_AT_ONCE);
    let most = at_once * by.nodes.len().max(1);
    let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut plan = region::handovers(&led, &homes.collect(), &by.nodes, most);
    plan.retain(|handover| {
        let count = counts.entry(handover.from).or_default();
        *count += 1;
        *count <= at_once
    });
    plan
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
        return !shared.space.is_read_only()
            && !shared.live.health.is_stopping()
            && !shared.gauge.strain().hinders();
    }
    let liveness = shared.live.liveness.lock();
    let is_there = liveness.is_alive(node) && !liveness.is_stopping(node);
    is_there && !liveness.is_read_only(node) && !liveness.strain(node).hinders()
}

/// For how long nothing was heard of a node.
pub(super) fn lost_for(shared: &Shared, node: NodeId) -> Duration {
    if node == shared.node() {
        return Duration::ZERO;
    }
    let liveness = shared.live.liveness.lock();
    let now = shared.clock.now();
    liveness.lost_for(now, node).map_or(Duration::ZERO, |_| liveness.silent_for(now, node))
}
