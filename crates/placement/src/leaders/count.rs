//! Every node leads about as many regions as any other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use types::{NodeId, RegionId};

use super::Handover;

/// Between how many regions a node may lead so that nothing is handed over for their number. Without one,
/// none may lead two more than another.
pub(super) type Band = Option<(usize, usize)>;

/// Which regions should be led by another node, so that none of `nodes` leads two more than another, as far
/// as that can be: by as few handovers as can be, about `most`. `led` has the leader of each region; those
/// led from elsewhere than `nodes` count for nobody. `homes` has the nodes each can be led from.
///
/// With a band, only one that leads more than that gives, or one that leads less takes: each chain brings the
/// nodes nearer to the band, taken by the squares of how far they are from it.
pub(super) fn handovers(
    led: &BTreeMap<RegionId, NodeId>,
    homes: &BTreeMap<RegionId, &BTreeSet<NodeId>>,
    nodes: &BTreeSet<NodeId>,
    band: Band,
    most: usize,
) -> Vec<Handover> {
    let leads = nodes.iter().map(|node| (*node, BTreeSet::new())).collect();
    let mut board = Board { homes, band, leads };
    for (region, leader) in led {
        if let Some(leads) = board.leads.get_mut(leader) {
            leads.insert(*region);
        }
    }
    let mut plan = Vec::new();
    let mut moved = BTreeSet::new();
    while plan.len() < most
        && let Some(path) = board.next(&moved)
    {
        for handover in path {
            board.make(handover);
            moved.insert(handover.region);
            plan.push(handover);
        }
    }
    plan
}

/// Who leads what, while it is planned.
struct Board<'a> {
    homes: &'a BTreeMap<RegionId, &'a BTreeSet<NodeId>>,
    band: Band,
    leads: BTreeMap<NodeId, BTreeSet<RegionId>>,
}

impl Board<'_> {
    fn count(&self, node: NodeId) -> usize {
        self.leads.get(&node).map_or(0, BTreeSet::len)
    }

    /// The shortest chain of handovers that takes one region from a node that leads more and gives one to a
    /// node that leads at least two fewer: those that lead most give first.
    fn next(&self, moved: &BTreeSet<RegionId>) -> Option<Vec<Handover>> {
        let mut givers: Vec<NodeId> = self.leads.keys().copied().collect();
        givers.sort_by_key(|node| (usize::MAX - self.count(*node), *node));
        let least = givers.last().map_or(0, |node| self.count(*node));
        let givers = givers.into_iter().take_while(|node| self.count(*node) >= least + 2);
        givers.into_iter().find_map(|giver| self.chain(giver, moved))
    }

    fn chain(&self, giver: NodeId, moved: &BTreeSet<RegionId>) -> Option<Vec<Handover>> {
        let own = self.count(giver);
        let bound = own.checked_sub(2)?;
        let calls = |taker: usize| match self.band {
            None => true,
            Some((least, most)) => own > most || taker < least,
        };
        let mut came: BTreeMap<NodeId, Handover> = BTreeMap::new();
        let mut ring = VecDeque::from([giver]);
        while !ring.is_empty() {
            let mut takers = Vec::new();
            for from in std::mem::take(&mut ring) {
                let regions = self.leads.get(&from).into_iter().flatten().rev();
                for region in regions.filter(|region| !moved.contains(region)) {
                    if came.len() + 1 >= self.leads.len() {
                        break;
                    }
                    for to in self.homes.get(region).into_iter().copied().flatten() {
                        if *to == giver || came.contains_key(to) || !self.leads.contains_key(to) {
                            continue;
                        }
                        came.insert(*to, Handover { region: *region, from, to: *to });
                        ring.push_back(*to);
                        takers.push(*to);
                    }
                }
            }
            takers.retain(|taker| self.count(*taker) <= bound && calls(self.count(*taker)));
            if let Some(taker) = takers.into_iter().min_by_key(|node| (self.count(*node), *node)) {
                return Some(unwind(taker, giver, &came));
            }
        }
        None
    }

    fn make(&mut self, Handover { region, from, to }: Handover) {
        if let Some(leads) = self.leads.get_mut(&from) {
            leads.remove(&region);
        }
        self.leads.entry(to).or_default().insert(region);
    }
}

fn unwind(taker: NodeId, giver: NodeId, came: &BTreeMap<NodeId, Handover>) -> Vec<Handover> {
    let mut chain = Vec::new();
    let mut at = taker;
    while at != giver
        && let Some(handover) = came.get(&at)
    {
        chain.push(*handover);
        at = handover.from;
    }
    chain
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use types::{NodeId, RegionId};

    fn handovers(
        led: &Led,
        homes: &Homes,
        nodes: &BTreeSet<NodeId>,
        most: usize,
    ) -> Vec<super::Handover> {
        let homes = homes.iter().map(|(region, homes)| (*region, homes)).collect();
        super::handovers(led, &homes, nodes, None, most)
    }

    type Led = BTreeMap<RegionId, NodeId>;
    type Homes = BTreeMap<RegionId, BTreeSet<NodeId>>;

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % below
        }
    }

    fn counts(led: &Led, nodes: &BTreeSet<NodeId>) -> Vec<u64> {
        let count = |node: &NodeId| led.values().filter(|leader| *leader == node).count() as u64;
        nodes.iter().map(count).collect()
    }

    /// In rounds; answers how many handovers it took.
    fn settle(led: &mut Led, homes: &Homes, nodes: &BTreeSet<NodeId>) -> u64 {
        let mut moved = 0;
        for _ in 0..10_000 {
            let plan = handovers(led, homes, nodes, 64);
            if plan.is_empty() {
                return moved;
            }
            let before = counts(led, nodes);
            for handover in plan {
                assert_eq!(led.insert(handover.region, handover.to), Some(handover.from));
                assert!(homes[&handover.region].contains(&handover.to));
                moved += 1;
            }
            let (uneven, even) = (squares(&before), squares(&counts(led, nodes)));
            assert!(even < uneven, "a round that helps nobody");
        }
        panic!("it never settles");
    }

    fn squares(counts: &[u64]) -> u64 {
        counts.iter().map(|count| count * count).sum()
    }

    #[test]
    fn leaders_end_even_by_as_few_handovers_as_can_be_on_paper_clusters() {
        let mut dice = Dice(7);
        for count in [1, 3, 10, 100] {
            let nodes: BTreeSet<NodeId> = (1..=count).map(NodeId).collect();
            for regions in [0, 1, count - 1, count, 3 * count + 1] {
                // Some nodes lead many, some nothing.
                let mut leader = |_| NodeId(1 + dice.roll(count).min(dice.roll(count)));
                let mut led: Led =
                    (1..=regions).map(RegionId).zip((0..regions).map(&mut leader)).collect();
                let homes: Homes = led.keys().map(|region| (*region, nodes.clone())).collect();
                let mut counted = counts(&led, &nodes);
                counted.sort_unstable_by_key(|it| u64::MAX - it);
                let (share, larger) = (regions / count, regions % count);
                let wanted = |place| share + u64::from((place as u64) < larger);
                let over = counted.iter().enumerate().map(|(at, it)| it.saturating_sub(wanted(at)));
                let least: u64 = over.sum();
                let moved = settle(&mut led, &homes, &nodes);
                let after = counts(&led, &nodes);
                let (min, max) = (after.iter().min().unwrap(), after.iter().max().unwrap());
                assert!(max - min <= 1, "{count} nodes, {regions} regions: {min} to {max}");
                assert_eq!(moved, least, "{count} nodes, {regions} regions");
            }
        }
    }

    #[test]
    fn leaders_end_even_where_each_region_is_on_three_nodes_of_many() {
        let mut dice = Dice(11);
        for count in [5, 10, 60] {
            let nodes: BTreeSet<NodeId> = (1..=count).map(NodeId).collect();
            let homes: Homes = (1..=20 * count)
                .map(|region| {
                    let mut home = BTreeSet::new();
                    while home.len() < 3 {
                        home.insert(NodeId(1 + dice.roll(count)));
                    }
                    (RegionId(region), home)
                })
                .collect();
            let first = |home: &BTreeSet<NodeId>| *home.first().unwrap();
            let mut led: Led = homes.iter().map(|(region, home)| (*region, first(home))).collect();
            let uneven = counts(&led, &nodes).iter().max().copied().unwrap();
            settle(&mut led, &homes, &nodes);
            let after = counts(&led, &nodes);
            let (min, max) = (after.iter().min().unwrap(), after.iter().max().unwrap());
            assert!(max - min <= 1, "{count} nodes: {min} to {max}, {uneven} before");
        }
    }

    #[test]
    fn a_chain_of_handovers_reaches_a_node_that_shares_no_region_with_the_one_that_leads_most() {
        let nodes = BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]);
        let home = |a, b| BTreeSet::from([NodeId(a), NodeId(b)]);
        let homes: Homes = [(1, home(1, 2)), (2, home(1, 2)), (3, home(2, 3))]
            .map(|(region, home)| (RegionId(region), home))
            .into();
        let mut led: Led = [(1, 1), (2, 1), (3, 2)].map(|(a, b)| (RegionId(a), NodeId(b))).into();
        assert_eq!(settle(&mut led, &homes, &nodes), 2);
        assert_eq!(counts(&led, &nodes), [1, 1, 1]);
    }

    #[test]
    fn what_others_lead_and_who_is_not_there_is_left_alone() {
        let led: Led =
            (1..=9).map(|id| (RegionId(id), NodeId(if id < 7 { 1 } else { 9 }))).collect();
        let nodes = BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]);
        let homes: Homes =
            led.keys().map(|region| (*region, (1..=9).map(NodeId).collect())).collect();
        let plan = handovers(&led, &homes, &nodes, 100);
        let to = |node| plan.iter().filter(|it| it.to == NodeId(node)).count();
        assert_eq!((plan.len(), to(2), to(3)), (4, 2, 2));
        assert!(plan.iter().all(|it| it.from == NodeId(1)));
        assert_eq!(handovers(&led, &homes, &BTreeSet::new(), 100), []);
    }
}
