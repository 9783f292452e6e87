//! A cluster on paper: it carries out plans, and a move takes as long as its bytes.

use std::collections::{BTreeMap, BTreeSet};

use placement::{Limits, Move, NodeState, NodeView, RegionView, View, Why, plan};
use types::{NodeId, RegionId};

/// Bytes a move copies in a round, which is a second then.
const PACE: u64 = 16 << 20;

pub(crate) const MIB: u64 = 1 << 20;

/// The same numbers every time.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Paper {
    pub view: View,
    pub limits: Limits,
    /// Rounds each move has to go.
    left: BTreeMap<RegionId, u64>,
    pub moved_bytes: u64,
    pub moved_replicas: u64,
    pub rounds: u64,
}

impl Paper {
    /// `nodes` in `zones`, and `regions` of three replicas and 8 to 64 MiB spread over them by chance.
    pub(crate) fn new(nodes: u64, zones: u64, regions: u64) -> Self {
        let mut paper = Self::default();
        for id in 1..=nodes {
            paper.add_node(id, &format!("z{}", id % zones));
        }
        let mut dice = Dice(nodes * 1_000_003 + regions);
        for id in 1..=regions {
            let mut wanted = BTreeSet::new();
            let first = dice.below(zones);
            while wanted.len() < 3 {
                let zone = (first + wanted.len() as u64) % zones;
                let node = 1 + dice.below(nodes);
                if zones < 3 || node % zones == zone {
                    wanted.insert(NodeId(node));
                }
            }
            let bytes = (8 + dice.below(57)) * MIB;
            paper.add_region(id, wanted, bytes);
        }
        paper
    }

    pub(crate) fn of(view: View) -> Self {
        Self { view, ..Self::default() }
    }

    pub(crate) fn add_node(&mut self, id: u64, zone: &str) {
        let node = NodeView { zone: zone.into(), accepts: true, ..NodeView::default() };
        self.view.nodes.insert(NodeId(id), node);
    }

    pub(crate) fn add_region(&mut self, id: u64, wanted: BTreeSet<NodeId>, bytes: u64) {
        let leader = wanted.iter().nth(usize::try_from(id).unwrap() % wanted.len().max(1)).copied();
        let current = wanted.clone();
        let region = RegionView { wanted, current, replicas: 3, bytes, leader, load: 0 };
        self.view.regions.insert(RegionId(id), region);
    }

    pub(crate) fn node(&mut self, id: u64) -> &mut NodeView {
        self.view.nodes.get_mut(&NodeId(id)).unwrap()
    }

    /// Forgets what was counted so far.
    pub(crate) fn start_counting(&mut self) {
        (self.moved_bytes, self.moved_replicas, self.rounds) = (0, 0, 0);
    }

    /// Goes on until nothing moves any more.
    pub(crate) fn settle(&mut self, most: u64) {
        let end = self.rounds + most;
        while self.round() {
            assert!(self.rounds < end, "it never settles: {:?}", plan(&self.view, &self.limits));
        }
    }

    /// A second. Whether anything moved or will.
    pub(crate) fn round(&mut self) -> bool {
        let moves = plan(&self.view, &self.limits);
        assert_eq!(moves, plan(&self.view, &self.limits), "the same view, another plan");
        check(&self.view, &self.limits, &moves);
        for step in &moves {
            let region = self.view.regions.get_mut(&step.region).unwrap();
            let copies: Vec<_> = step.nodes.difference(&region.current).collect();
            let added = copies.iter().filter(|node| !region.wanted.contains(node)).count() as u64;
            self.moved_bytes += added * region.bytes;
            self.moved_replicas += added;
            let rounds = if copies.is_empty() { 1 } else { 1 + region.bytes / PACE };
            self.left.insert(step.region, rounds);
            region.wanted.clone_from(&step.nodes);
        }
        let under_way = !self.left.is_empty();
        self.copy();
        self.rounds += 1;
        under_way || !moves.is_empty()
    }

    fn copy(&mut self) {
        let nodes = &self.view.nodes;
        let is_up = |node: &NodeId| nodes.get(node).is_some_and(|node| node.down_seconds == 0);
        let regions = &mut self.view.regions;
        self.left.retain(|id, left| {
            *left = left.saturating_sub(1);
            let region = regions.get_mut(id).unwrap();
            if *left > 0 || !region.wanted.difference(&region.current).all(is_up) {
                return true;
            }
            region.current.clone_from(&region.wanted);
            if !region.leader.is_some_and(|leader| region.current.contains(&leader)) {
                region.leader = region.current.iter().copied().find(is_up);
            }
            false
        });
    }

    /// Bytes on the nodes.
    pub(crate) fn bytes_on(&self, nodes: &[u64]) -> u64 {
        let replicas = |region: &RegionView| {
            nodes.iter().filter(|node| region.wanted.contains(&NodeId(**node))).count() as u64
        };
        self.view.regions.values().map(|region| replicas(region) * region.bytes).sum()
    }

    /// The numbers of the nodes that serve and are there.
    pub(crate) fn serving(&self) -> Vec<u64> {
        let serves = |node: &NodeView| node.state == NodeState::Serving && node.down_seconds == 0;
        let nodes = self.view.nodes.iter().filter(|(_, node)| serves(node));
        nodes.map(|(id, _)| id.get()).collect()
    }

    /// How far from even bytes and replicas are, in percent of the average.
    pub(crate) fn off_by(&self) -> (f64, f64) {
        let serving = self.serving();
        let mut on: BTreeMap<u64, (u64, u64)> = serving.iter().map(|id| (*id, (0, 0))).collect();
        for region in self.view.regions.values() {
            for node in &region.wanted {
                if let Some((bytes, count)) = on.get_mut(&node.get()) {
                    *bytes += region.bytes;
                    *count += 1;
                }
            }
        }
        let off = |values: Vec<u64>| {
            let mean = values.iter().sum::<u64>() as f64 / values.len() as f64;
            values.iter().map(|it| (*it as f64 - mean).abs()).fold(0.0, f64::max) * 100.0 / mean
        };
        (off(on.values().map(|on| on.0).collect()), off(on.values().map(|on| on.1).collect()))
    }
}

/// How many pairs of a region's replicas fail together.
fn pairs(view: &View, nodes: &BTreeSet<NodeId>) -> usize {
    let zone = |node: &NodeId| view.nodes.get(node).map(|node| node.zone.as_str());
    let zones: Vec<_> = nodes.iter().map(zone).collect();
    let pair = |(at, zone): (usize, &Option<&str>)| {
        zones[at + 1..].iter().filter(|other| zone.is_some() && *other == zone).count()
    };
    zones.iter().enumerate().map(pair).sum()
}

/// What no plan may break.
pub(crate) fn check(view: &View, limits: &Limits, moves: &[Move]) {
    let is_up = |node: &NodeId| view.nodes.get(node).is_some_and(|node| node.down_seconds == 0);
    let has_majority = |nodes: &BTreeSet<NodeId>| {
        nodes.iter().filter(|node| is_up(node)).count() * 2 > nodes.len()
    };
    let mut after = view.clone();
    let mut seen = BTreeSet::new();
    for step in moves {
        assert!(seen.insert(step.region), "two moves of one region: {moves:?}");
        let region = &view.regions[&step.region];
        let is_under_way = region.wanted != region.current;
        let added: Vec<_> = step.nodes.difference(&region.wanted).collect();
        let gone: Vec<_> = region.wanted.difference(&step.nodes).collect();
        let told = format!("{step:?} of {region:?}");
        assert!(added.len() <= 1 && gone.len() <= 1 && added.len() + gone.len() > 0, "{told}");
        let union = region.current.union(&step.nodes).copied().collect();
        let sets = [&region.current, &step.nodes, &union];
        assert!(sets.into_iter().all(has_majority), "a majority is lost: {told}");
        for node in added.iter().filter(|node| !region.current.contains(node)) {
            let node = &view.nodes[*node];
            let takes = node.accepts && node.down_seconds == 0 && node.state == NodeState::Serving;
            assert!(takes, "it cannot be put there: {told}");
        }
        if is_under_way {
            assert!(matches!(step.why, Why::Repair | Why::Drain), "a move that can end: {told}");
        }
        let company = [&region.wanted, &step.nodes].map(|nodes| pairs(view, nodes));
        match step.why {
            Why::Zones => assert!(company[1] < company[0], "{told}"),
            Why::Balance | Why::Load => assert!(company[1] <= company[0], "{told}"),
            Why::Surplus => assert!(added.is_empty() && step.nodes.len() >= region.replicas.max(1)),
            Why::MakeUp => assert!(gone.is_empty() && step.nodes.len() <= region.replicas.max(1)),
            // What is under way to more than there are to be may be given up.
            Why::Repair | Why::Drain if is_under_way && added.is_empty() => {
                assert!(step.nodes.len() >= region.replicas.max(1), "{told}");
            }
            Why::Repair | Why::Drain => assert_eq!(added.len(), 1, "{told}"),
        }
        after.regions.get_mut(&step.region).unwrap().wanted.clone_from(&step.nodes);
    }
    check_limits(view, limits, &after);
}

/// Where limits are broken afterwards, they were before, and no more of it.
fn check_limits(before: &View, limits: &Limits, after: &View) {
    let under_way = |view: &View| {
        view.regions.values().filter(|region| region.wanted != region.current).count()
    };
    let all = under_way(after);
    assert!(all <= limits.moves.max(under_way(before)), "{all} moves at once");
    let received = |view: &View| {
        let mut count: BTreeMap<NodeId, usize> = BTreeMap::new();
        for region in view.regions.values() {
            for node in region.wanted.difference(&region.current) {
                *count.entry(*node).or_default() += 1;
            }
        }
        count
    };
    let was = received(before);
    for (node, count) in received(after) {
        let was = was.get(&node).copied().unwrap_or_default();
        assert!(count <= limits.receives.max(was), "{node} is sent {count} at once");
    }
}
