//! What the leader of the meta region knows of all regions of sharded keyspaces, from the reports of those
//! that lead them, and of what clients ask for, from everybody's; and who is to lead what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use placement::{Handover, Leaders, LedView, LoadLimits};
use state::directory::{Directory, NodeRecord, Part, Phase};
use types::{NodeId, RegionId};

use super::loads::{Loads, Word};
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

/// How long the leader of the meta region listens before it plans: two reports of each node.
pub(super) const LISTEN: Duration = Duration::from_secs(REPORT.as_secs() * 2 + 1);
/// After how many reports that did not come a node's last one counts no longer.
const MISSED: u32 = 4;
/// Regions one node is told to hand over at once, at least: each takes no writes for a moment.
const AT_ONCE: usize = 8;
/// Where there are many, so much of all of them at once.
const SHARE_AT_ONCE: usize = 64;

#[derive(Default)]
pub(crate) struct Overview {
    reports: BTreeMap<NodeId, (Moment, Vec<Led>)>,
    loads: Loads,
    /// When this node began to listen, in its term of office.
    since: Option<Moment>,
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
    /// Those that may lead, and what they are asked for in regions whose leaders nobody evens out.
    nodes: BTreeMap<NodeId, u64>,
}

impl Overview {
    /// A node told what it is asked for.
    pub(super) fn hear_loads(&mut self, from: NodeId, now: Moment, word: Word) {
        self.version += u64::from(self.loads.hear(from, now, word));
    }

    /// What clients ask of each region, of all nodes together, in requests per second.
    pub(super) fn loads(&mut self, now: Moment) -> Arc<BTreeMap<RegionId, u64>> {
        self.version(now);
        self.loads.sums()
    }

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
        self.version += u64::from(self.loads.forget_older(now, patience));
        self.version
    }

    /// Whether every node had the time to tell what it leads and is asked for.
    fn has_listened(&self, now: Moment) -> bool {
        self.since.is_some_and(|since| now.since(since) >= LISTEN)
    }

    /// Nothing that was heard in an earlier term of office counts.
    pub(super) fn forget(&mut self, now: Moment) {
        self.since = Some(now);
        self.reports.clear();
        self.loads.clear();
        self.version += 1;
    }
}

impl Sharding {
    /// What a node is to hand over, that reports to the leader of the meta region, which this node is.
    pub(super) fn handovers(&self, shared: &Shared, from: NodeId) -> Vec<(RegionId, NodeId)> {
        let (directory, now) = (shared.directory(), shared.clock.now());
        let may_lead = may_lead(shared, &directory);
        let overview = &mut *self.overview.lock();
        if !overview.has_listened(now) {
            return Vec::new();
        }
        let loads = overview.loads(now);
        let fixed = fixed(shared, &directory, &loads);
        let nodes = may_lead.into_iter().map(|node| (node, fixed.get(&node).copied().unwrap_or(0)));
        let by = By { version: overview.version(now), directory, nodes: nodes.collect() };
        if overview.planned.as_ref().is_none_or(|(known, _)| !known.is_as(&by)) {
            let plan = plan(&overview.led(now), &loads, &by);
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

/// What each node is asked for in ordered keyspaces and the meta region: those it leads, as this node knows.
pub(super) fn fixed(
    shared: &Shared,
    directory: &Directory,
    loads: &BTreeMap<RegionId, u64>,
) -> BTreeMap<NodeId, u64> {
    let mut fixed: BTreeMap<NodeId, u64> = BTreeMap::new();
    for (region, load) in loads {
        if directory.is_led_evenly(*region) {
            continue;
        }
        let leader = shared.shard(*region).and_then(|shard| shard.leadership().leader);
        if let Some(leader) = leader {
            let sum = fixed.entry(leader).or_default();
            *sum = sum.saturating_add(*load);
        }
    }
    fixed
}

/// As many for each node as may be at once.
fn plan(
    led: &BTreeMap<RegionId, (NodeId, Led)>,
    loads: &BTreeMap<RegionId, u64>,
    by: &By,
) -> Vec<Handover> {
    let load = |region: &RegionId| loads.get(region).copied().unwrap_or(0);
    let is_led = |region: &RegionId| led.contains_key(region);
    let is_spread = |region: &RegionId| by.directory.is_led_evenly(*region);
    let regions = led.iter().map(|(region, (leader, _))| {
        let homes = homes(&by.directory, *region).unwrap_or_default();
        (*region, LedView { leader: *leader, homes, load: load(region) })
    });
    let unled = loads.keys().filter(|region| is_spread(region) && !is_led(region)).map(load);
    let view = Leaders {
        nodes: by.nodes.clone(),
        regions: regions.collect(),
        unled: unled.fold(0, u64::saturating_add),
    };
    let at_once = AT_ONCE.max(led.len() / SHARE_AT_ONCE);
    let most = at_once * by.nodes.len().max(1);
    let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut plan = placement::handovers(&view, &LoadLimits::default(), most);
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
