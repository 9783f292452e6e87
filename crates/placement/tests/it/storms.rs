//! Clusters as they come, also such as nobody would have.

use std::collections::BTreeSet;

use placement::{
    Handover, Leaders, LedView, Limits, LoadLimits, NodeState, NodeView, RegionView, View,
    handovers, plan,
};
use proptest::prelude::*;
use types::{NodeId, RegionId};

use crate::paper::{MIB, Paper, check};

fn node() -> impl Strategy<Value = NodeView> {
    let state = prop_oneof![
        6 => Just(NodeState::Serving),
        1 => Just(NodeState::Draining),
        1 => Just(NodeState::Joining),
    ];
    let down = prop_oneof![8 => Just(0_u64), 1 => Just(30), 1 => Just(100), 1 => Just(5_000)];
    let zone =
        (0..4_u8).prop_map(|zone| if zone == 0 { String::new() } else { format!("z{zone}") });
    (state, zone, down, prop::bool::weighted(0.9), load()).prop_map(
        |(state, zone, down_seconds, accepts, load)| NodeView {
            state,
            zone,
            down_seconds,
            accepts,
            load,
        },
    )
}

fn load() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 4 => 0..2_000_u64, 1 => any::<u64>()]
}

fn nodes() -> impl Strategy<Value = BTreeSet<NodeId>> {
    prop::collection::btree_set((1..10_u64).prop_map(NodeId), 0..6)
}

fn region() -> impl Strategy<Value = RegionView> {
    let current = prop_oneof![1 => nodes().prop_map(Some), 4 => Just(None)];
    let leader = prop::option::of((1..10_u64).prop_map(NodeId));
    (nodes(), current, 0..6_usize, 0..100 * MIB, leader, load()).prop_map(
        |(wanted, current, replicas, bytes, leader, load)| {
            let current = current.unwrap_or_else(|| wanted.clone());
            RegionView { wanted, current, replicas, bytes, leader, load }
        },
    )
}

fn view() -> impl Strategy<Value = View> {
    (prop::collection::vec(node(), 1..9), prop::collection::vec(region(), 0..40)).prop_map(
        |(nodes, regions)| View {
            nodes: (1..).map(NodeId).zip(nodes).collect(),
            regions: (1..).map(RegionId).zip(regions).collect(),
        },
    )
}

fn leaders() -> impl Strategy<Value = Leaders> {
    let led = ((1..9_u64).prop_map(NodeId), nodes(), load())
        .prop_map(|(leader, homes, load)| LedView { leader, homes, load });
    (prop::collection::vec(load(), 0..9), prop::collection::vec(led, 0..60)).prop_map(
        |(nodes, regions)| Leaders {
            nodes: (1..).map(NodeId).zip(nodes).collect(),
            regions: (1..).map(RegionId).zip(regions).collect(),
            unled: 0,
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..20_usize, 0..5_usize, 0..5_usize).prop_map(|(moves, sends, receives)| Limits {
        moves,
        sends,
        receives,
        ..Limits::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_plan_breaks_a_rule(view in view(), limits in limits()) {
        let moves = plan(&view, &limits);
        prop_assert_eq!(&moves, &plan(&view, &limits));
        check(&view, &limits, &moves);
    }

    /// Whoever leads what, and however much is carried out of each plan, it comes to an end.
    #[test]
    fn handovers_end_wherever_they_begin(mut view in leaders(), most in 1..20_usize) {
        for _ in 0..400 {
            let plan = handovers(&view, &LoadLimits::default(), most);
            if plan.is_empty() {
                return Ok(());
            }
            for Handover { region, from, to } in plan {
                let led = view.regions.get_mut(&region).unwrap();
                prop_assert!(led.leader == from && led.homes.contains(&to));
                prop_assert!(view.nodes.contains_key(&to));
                led.leader = to;
            }
        }
        prop_assert!(false, "it never ends: {view:?}");
    }

    /// Whatever the beginning, the moves come to an end, and then nothing is left that could be mended.
    #[test]
    fn every_cluster_settles_and_is_well_as_far_as_can_be(view in view()) {
        let mut paper = Paper::of(view);
        for region in paper.view.regions.values_mut() {
            region.current.clone_from(&region.wanted);
        }
        paper.settle(3_000);
        let nodes = &paper.view.nodes;
        let is_up = |node: &NodeId| nodes.get(node).is_some_and(|node| node.down_seconds == 0);
        let stays = |node: &NodeId| nodes.get(node).is_some_and(|node| {
            node.down_seconds < 1_800 && node.state != NodeState::Draining
        });
        let is_target = |node: &NodeView| {
            node.accepts && node.down_seconds == 0 && node.state == NodeState::Serving
        };
        for region in paper.view.regions.values() {
            let up = region.wanted.iter().filter(|node| is_up(node)).count();
            // With one more on the way, a majority must still be there.
            if up * 2 <= region.wanted.len() || up == 0 {
                continue;
            }
            let free = nodes.iter().any(|(id, node)| is_target(node) && !region.wanted.contains(id));
            let all_stay = region.wanted.iter().all(stays);
            let goal = region.replicas.max(1);
            prop_assert!(!free || (all_stay && region.wanted.len() >= goal), "{:?}", region);
            let spare = up * 2 > region.wanted.len() + 1;
            prop_assert!(!spare || region.wanted.len() <= goal, "too many: {:?}", region);
        }
    }
}
