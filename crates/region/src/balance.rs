//! Who should lead how many regions. Pure: the same view gives the same plan on every node, and each carries
//! out its own part of it.

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, RegionId};

/// Which of the regions it leads a node should hand over, and to whom, so that no node leads two more than
/// another: as few as possible, the ones of the highest numbers first, no more than `most`. `led` has
/// the leader of each region; those led from elsewhere than `nodes` count for nobody.
#[must_use]
pub fn handovers(
    led: &BTreeMap<RegionId, NodeId>,
    nodes: &BTreeSet<NodeId>,
    own: NodeId,
    most: usize,
) -> Vec<(RegionId, NodeId)> {
    let given = plan(led, nodes).into_iter().filter(|(giver, _)| *giver == own);
    let regions = led.iter().rev().filter(|(_, leader)| **leader == own).map(|(region, _)| *region);
    regions.zip(given.map(|(_, taker)| taker)).take(most).collect()
}

/// Who gives one to whom.
fn plan(led: &BTreeMap<RegionId, NodeId>, nodes: &BTreeSet<NodeId>) -> Vec<(NodeId, NodeId)> {
    let mut counts: BTreeMap<NodeId, usize> = nodes.iter().map(|node| (*node, 0)).collect();
    for leader in led.values() {
        if let Some(count) = counts.get_mut(leader) {
            *count += 1;
        }
    }
    let total: usize = counts.values().sum();
    let Some(share) = total.checked_div(counts.len()) else { return Vec::new() };
    // What does not divide stays with those that have it.
    let mut by_count: Vec<(NodeId, usize)> = counts.into_iter().collect();
    by_count.sort_by_key(|(node, count)| (usize::MAX - count, *node));
    let larger = total % by_count.len();
    let wanted = |place: usize| share + usize::from(place < larger);
    let takers = by_count.iter().enumerate().flat_map(|(place, (node, count))| {
        core::iter::repeat_n(*node, wanted(place).saturating_sub(*count))
    });
    let givers = by_count.iter().enumerate().flat_map(|(place, (node, count))| {
        core::iter::repeat_n(*node, count.saturating_sub(wanted(place)))
    });
    givers.zip(takers).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{handovers, plan};
    use types::{NodeId, RegionId};

    fn spread(led: &BTreeMap<RegionId, NodeId>, nodes: &BTreeSet<NodeId>) -> (usize, usize) {
        let count = |node: &NodeId| led.values().filter(|leader| *leader == node).count();
        let counts: Vec<usize> = nodes.iter().map(count).collect();
        (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
    }

    /// Every node by itself, in rounds; answers how many handovers and rounds it took.
    fn settle(
        led: &mut BTreeMap<RegionId, NodeId>,
        nodes: &BTreeSet<NodeId>,
        most: usize,
    ) -> (usize, usize) {
        let mut moved = 0;
        for round in 0..10_000 {
            let givers: BTreeSet<NodeId> =
                plan(led, nodes).into_iter().map(|(giver, _)| giver).collect();
            let view = led.clone();
            let all = givers.into_iter().flat_map(|own| {
                let own = handovers(&view, nodes, own, most);
                assert!((1..=most).contains(&own.len()));
                own
            });
            let all: Vec<_> = all.collect();
            if all.is_empty() {
                return (moved, round);
            }
            for (region, to) in all {
                assert_ne!(led.insert(region, to), Some(to), "{region} is led there already");
                moved += 1;
            }
        }
        panic!("it never settles");
    }

    #[test]
    fn leaders_end_even_by_as_few_handovers_as_can_be_on_paper_clusters() {
        let mut dice = 7_u64;
        for count in [1, 3, 10, 100, 400] {
            let nodes: BTreeSet<NodeId> = (1..=count).map(NodeId).collect();
            for regions in [0, 1, count - 1, count, 3 * count + 1] {
                // Some nodes lead many, some nothing.
                let leader = |_| {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let [a, b] = [(dice >> 33) % count, (dice >> 13) % count];
                    NodeId(1 + a.min(b))
                };
                let mut led: BTreeMap<RegionId, NodeId> =
                    (1..=regions).map(RegionId).zip((0..regions).map(leader)).collect();
                let least: usize = {
                    let (share, larger) = (regions / count, regions % count);
                    let count =
                        |node: &NodeId| led.values().filter(|it| *it == node).count() as u64;
                    let mut counts: Vec<u64> = nodes.iter().map(count).collect();
                    counts.sort_unstable_by_key(|it| u64::MAX - it);
                    let wanted = |place| share + u64::from((place as u64) < larger);
                    let over =
                        counts.iter().enumerate().map(|(at, it)| it.saturating_sub(wanted(at)));
                    usize::try_from(over.sum::<u64>()).unwrap()
                };
                let (moved, _) = settle(&mut led, &nodes, 8);
                let (min, max) = spread(&led, &nodes);
                assert!(max - min <= 1, "{count} nodes, {regions} regions: {min} to {max}");
                assert_eq!(moved, least, "{count} nodes, {regions} regions");
            }
        }
    }

    #[test]
    fn what_others_lead_and_who_is_not_there_is_left_alone() {
        let led: BTreeMap<RegionId, NodeId> =
            (1..=9).map(|id| (RegionId(id), NodeId(if id < 7 { 1 } else { 9 }))).collect();
        let nodes = BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]);
        let plan = handovers(&led, &nodes, NodeId(1), 100);
        let to = |node| plan.iter().filter(|(_, taker)| *taker == NodeId(node)).count();
        assert_eq!((plan.len(), to(2), to(3)), (4, 2, 2));
        assert_eq!(handovers(&led, &nodes, NodeId(9), 100), []);
        assert_eq!(handovers(&led, &BTreeSet::new(), NodeId(1), 100), []);
    }
}
