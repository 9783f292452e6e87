//! Every node is asked for about as much as any other: regions that are asked for much go from nodes above
//! the average to such below, where numbers would leave their band for a region that is asked for less.
//!
//! A region cannot be divided, so it goes only where it makes a clear difference: by what changes hands,
//! the two nodes must come nearer by a quarter of that at least. Each step makes the sum of the squares of
//! loads smaller.

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, RegionId};

use super::{Handover, Leaders, LedView, LoadLimits, MOST_LOAD};

/// Regions of a node that are looked at for each step, those that are asked for most among what fits.
const CANDIDATES: usize = 64;
/// Pairs of a region and a node that a plan may look at; the rest waits for the next plan.
const LOOKS: usize = 20_000;

/// Nodes, their loads and what they lead, while it is planned.
pub(crate) struct Field<'a> {
    limits: &'a LoadLimits,
    regions: &'a BTreeMap<RegionId, LedView>,
    nodes: BTreeMap<NodeId, Node>,
    average: u128,
    band: (usize, usize),
    moved: BTreeSet<RegionId>,
    looks: usize,
    /// Whether loads may be evened out now.
    is_settled: bool,
}

#[derive(Default)]
struct Node {
    load: u64,
    /// By what is asked for.
    leads: BTreeSet<(u64, RegionId)>,
}

/// One region that goes, and perhaps one that comes back.
struct Step {
    goes: (u64, RegionId),
    comes: Option<(u64, RegionId)>,
    to: NodeId,
}

impl Step {
    fn net(&self) -> u64 {
        self.goes.0 - self.comes.map_or(0, |(load, _)| load)
    }
}

/// What counts of what a region is asked for.
fn told(known: &LedView, limits: &LoadLimits) -> u64 {
    if known.load < limits.least_step { 0 } else { known.load.min(MOST_LOAD) }
}

impl<'a> Field<'a> {
    /// `None` where nobody is asked for much.
    pub(crate) fn new(view: &'a Leaders, limits: &'a LoadLimits) -> Option<Self> {
        let own = |load: &u64| Node { load: (*load).min(MOST_LOAD), ..Node::default() };
        let mut nodes: BTreeMap<_, _> =
            view.nodes.iter().map(|(node, load)| (*node, own(load))).collect();
        let mut led = 0_usize;
        for (region, known) in &view.regions {
            if let Some(node) = nodes.get_mut(&known.leader) {
                let load = told(known, limits);
                node.load = node.load.saturating_add(load);
                node.leads.insert((load, *region));
                led += 1;
            }
        }
        let count = nodes.len();
        let all: u128 = nodes.values().map(|node| u128::from(node.load)).sum();
        let average = all.checked_div(count as u128)?;
        if count < 2 || nodes.values().all(|node| node.load < limits.least.max(1)) {
            return None;
        }
        // Rounded inwards: a tenth is promised.
        let low = (led * 9).div_ceil(count * 10).min(led.div_ceil(count).saturating_sub(1));
        let band = (low, (led * 11 / (count * 10)).max(led / count + 1));
        let is_settled = u128::from(view.unled) * 20 <= average;
        let (moved, looks) = (BTreeSet::new(), LOOKS);
        Some(Self {
            limits,
            regions: &view.regions,
            nodes,
            average,
            band,
            moved,
            looks,
            is_settled,
        })
    }

    /// Between how many regions each node is to lead: a tenth of the average more or less, or one.
    pub(crate) fn band(&self) -> (usize, usize) {
        self.band
    }

    /// Whether it is known who leads what is asked for.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether a region makes a difference to a node.
    pub(crate) fn is_hot(&self, load: u64) -> bool {
        u128::from(load) * 10 >= self.average
    }

    /// What a node is asked for.
    pub(crate) fn load(&self, node: NodeId) -> u64 {
        self.nodes.get(&node).map_or(0, |node| node.load)
    }

    /// The nodes that are asked for too much, the one with the most first.
    pub(crate) fn overloaded(&self) -> Vec<NodeId> {
        let over = self.nodes.iter().filter(|(_, node)| self.is_over(node.load));
        let mut over: Vec<_> = over.map(|(id, node)| (u64::MAX - node.load, *id)).collect();
        over.sort_unstable();
        over.into_iter().map(|(_, node)| node).collect()
    }

    /// What is handed over for load, about `most`.
    pub(crate) fn plan(&mut self, most: usize) -> Vec<Handover> {
        let mut plan = Vec::new();
        if !self.is_settled {
            return plan;
        }
        let mut sources: BTreeSet<_> =
            self.nodes.iter().map(|(id, node)| (node.load, *id)).collect();
        while let Some((load, from)) = sources.pop_last() {
            if u128::from(load) <= self.average || plan.len() >= most || self.looks == 0 {
                break;
            }
            let Some(step) = self.best(from) else { continue };
            self.take(from, step.to, step.goes);
            plan.push(Handover { region: step.goes.1, from, to: step.to });
            if let Some(comes) = step.comes {
                self.take(step.to, from, comes);
                plan.push(Handover { region: comes.1, from: step.to, to: from });
            }
            // The target is a source of nothing that this plan should hand over.
            sources.retain(|(_, node)| *node != step.to);
            sources.insert((self.load(from), from));
        }
        plan
    }

    /// Nodes whose numbers are outside their band hand over what makes loads no less even.
    pub(crate) fn even_numbers(&mut self, most: usize) -> Vec<Handover> {
        let mut plan = Vec::new();
        if !self.is_settled {
            return plan;
        }
        let mut sources: BTreeSet<_> =
            self.nodes.iter().map(|(id, node)| (node.leads.len(), *id)).collect();
        while let Some((count, from)) = sources.pop_last() {
            if plan.len() >= most || self.looks == 0 {
                break;
            }
            let Some((region, to)) = self.spare(from) else { continue };
            self.take(from, to, region);
            plan.push(Handover { region: region.1, from, to });
            sources.retain(|(_, node)| *node != to);
            sources.insert((count - 1, from));
        }
        plan
    }

    /// A region of a node that another one should have for the sake of numbers.
    fn spare(&mut self, from: NodeId) -> Option<((u64, RegionId), NodeId)> {
        let node = self.nodes.get(&from)?;
        let mut looks = self.looks;
        let mut best = None;
        for region in &node.leads {
            let known = self.regions.get(&region.1)?;
            looks = looks.saturating_sub(1);
            if looks == 0 || self.moved.contains(&region.1) {
                continue;
            }
            for to in known.homes.iter().filter(|to| **to != from) {
                let Some(other) = self.nodes.get(to) else { continue };
                let (own, others) = (node.leads.len(), other.leads.len());
                let calls = own >= others + 2 && (own > self.band.1 || others < self.band.0);
                let is_free = region.0 <= node.load.saturating_sub(other.load);
                let rank = (others, other.load, *to);
                if calls && is_free && best.is_none_or(|(least, _, _)| rank < least) {
                    best = Some((rank, *region, *to));
                }
            }
        }
        self.looks = looks;
        best.map(|(_, region, to)| (region, to))
    }

    /// Somebody else hands a region over.
    pub(crate) fn note(&mut self, Handover { region, from, to }: Handover) {
        if let Some(known) = self.regions.get(&region) {
            let load = told(known, self.limits);
            self.take(from, to, (load, region));
        }
    }

    /// Whether a region of this load could go from one to the other, and would be worth it.
    pub(crate) fn would_go(&self, load: u64, from: NodeId, to: NodeId) -> bool {
        self.gap(from, to).is_some_and(|gap| self.is_worth(load, gap))
    }

    /// Counts a region's load where it is going to be.
    pub(crate) fn foresee(&mut self, load: u64, from: NodeId, to: NodeId) {
        if let Some(node) = self.nodes.get_mut(&from) {
            node.load = node.load.saturating_sub(load);
        }
        if let Some(node) = self.nodes.get_mut(&to) {
            node.load = node.load.saturating_add(load);
        }
    }

    /// The step from a node that makes the largest difference; of such, the one with fewer handovers. What
    /// takes numbers out of their band only from a node that has too much, and nothing else to give.
    fn best(&mut self, from: NodeId) -> Option<Step> {
        let node = self.nodes.get(&from)?;
        let least = self.nodes.values().map(|node| node.load).min().unwrap_or(0);
        let fits = |load: u64| self.is_worth(load, node.load.saturating_sub(least));
        let idle = || {
            let leads = node.leads.iter().rev().take_while(|(load, _)| *load > 0);
            leads.filter(|(_, region)| !self.moved.contains(region)).copied()
        };
        // Those that could go alone, and such that could go for another.
        let mut candidates: Vec<_> =
            idle().filter(|(load, _)| fits(*load)).take(CANDIDATES).collect();
        candidates.extend(idle().filter(|(load, _)| !fits(*load)).take(CANDIDATES));
        let mut looks = self.looks;
        let mut best: Option<((bool, u128, bool), Step)> = None;
        let mut offer = |step: Step, gap: u64, in_band: bool| {
            let net = u128::from(step.net());
            let gain = net * u128::from(gap).saturating_sub(net);
            let rank = (in_band, gain, step.comes.is_none());
            if best.as_ref().is_none_or(|(most, _)| rank > *most) {
                best = Some((rank, step));
            }
        };
        for goes in candidates {
            let Some(known) = self.regions.get(&goes.1) else { continue };
            for to in known.homes.iter().copied().filter(|to| *to != from) {
                looks = looks.saturating_sub(1);
                let Some(gap) = self.gap(from, to) else { continue };
                if self.is_worth(goes.0, gap) {
                    let in_band = self.may_change_numbers(from, to);
                    if in_band || self.is_over(node.load) {
                        offer(Step { goes, comes: None, to }, gap, in_band);
                    }
                    if in_band {
                        continue;
                    }
                }
                looks = looks.saturating_sub(1);
                if let Some(comes) = self.partner(goes, from, to, gap) {
                    offer(Step { goes, comes: Some(comes), to }, gap, true);
                }
            }
            if looks == 0 {
                break;
            }
        }
        self.looks = looks;
        best.map(|(_, step)| step)
    }

    /// What could come back for a region so that the difference is about half the gap.
    fn partner(
        &self,
        goes: (u64, RegionId),
        from: NodeId,
        to: NodeId,
        gap: u64,
    ) -> Option<(u64, RegionId)> {
        let leads = &self.nodes.get(&to)?.leads;
        let half = (goes.0.saturating_sub(gap / 2), RegionId(0));
        let can_come = |comes: &&(u64, RegionId)| {
            let known = self.regions.get(&comes.1);
            self.is_worth(goes.0.saturating_sub(comes.0), gap)
                && !self.moved.contains(&comes.1)
                && known.is_some_and(|known| known.homes.contains(&from))
        };
        let mut hotter = leads.range(half..).take(CANDIDATES);
        let mut colder = leads.range(..half).rev().take(CANDIDATES);
        hotter.find(can_come).or_else(|| colder.find(can_come)).copied()
    }

    fn is_over(&self, load: u64) -> bool {
        let tolerance = u128::from(self.limits.tolerance.min(100));
        load >= self.limits.least && u128::from(load) * 100 > self.average * (100 + tolerance)
    }

    fn is_under(&self, load: u64) -> bool {
        let tolerance = u128::from(self.limits.tolerance.min(100));
        let is_much = self.average >= u128::from(self.limits.least);
        is_much && u128::from(load) * 100 < self.average * (100 - tolerance)
    }

    /// How much more one is asked for than the other, where something should go: they are on different
    /// sides of the average, and one of them is too far from it.
    fn gap(&self, from: NodeId, to: NodeId) -> Option<u64> {
        let (from, to) = (self.nodes.get(&from)?.load, self.nodes.get(&to)?.load);
        let are_apart = u128::from(from) > self.average && u128::from(to) < self.average;
        (are_apart && (self.is_over(from) || self.is_under(to))).then(|| from - to)
    }

    fn is_worth(&self, load: u64, gap: u64) -> bool {
        load >= self.limits.least_step.max(1) && u128::from(load) * 5 <= u128::from(gap) * 4
    }

    /// Whether one may lead a region less and the other one more.
    fn may_change_numbers(&self, from: NodeId, to: NodeId) -> bool {
        let count = |node| self.nodes.get(&node).map_or(0, |node: &Node| node.leads.len());
        let (from, to) = (count(from), count(to));
        from > to || (from > self.band.0 && to < self.band.1)
    }

    fn take(&mut self, from: NodeId, to: NodeId, region: (u64, RegionId)) {
        self.foresee(region.0, from, to);
        self.moved.insert(region.1);
        if let Some(node) = self.nodes.get_mut(&from) {
            node.leads.remove(&region);
        }
        if let Some(node) = self.nodes.get_mut(&to) {
            node.leads.insert(region);
        }
    }
}
