//! An operator who only says where replicas are to be, and leaders who bring them there step by step,
//! as in a node: `region::next_step` decides what is next.

use std::collections::BTreeMap;

use region::Step;
use state::directory::Part;
use types::{NodeId, PeerId};

use super::node::Node;
use super::stage::Stage;
use super::{Event, PEERS, nemesis};
use crate::disk::Random;

/// Which seeds are driven: one of so many.
const ONE_OF: u64 = 8;
/// Between two looks, in microseconds, at most; and exactly, once faults have stopped.
const LOOK: u64 = 400_000;
const CALM_LOOK: u64 = 50_000;

pub(super) type Wanted = BTreeMap<NodeId, Part>;

/// What is wanted first, where the seed is a driven one.
pub(super) fn first(seed: u64, random: &mut Random) -> Option<Wanted> {
    (seed % ONE_OF == 3).then(|| wish(random))
}

fn wish(random: &mut Random) -> Wanted {
    let mut wanted = Wanted::new();
    for node in 1..=PEERS {
        match random.below(10) {
            0..3 => {}
            3..5 => drop(wanted.insert(NodeId(node), Part::Learner)),
            _ => drop(wanted.insert(NodeId(node), Part::Voter)),
        }
    }
    wanted.insert(NodeId(1 + random.below(PEERS)), Part::Voter);
    wanted
}

/// Somebody looks whether all is as it is to be; now and then the operator changes his mind.
pub(super) fn order(stage: &mut Stage, nodes: &mut [Node]) {
    let next = if stage.calm { CALM_LOOK } else { stage.between(LOOK / 40, LOOK) };
    stage.after(next, Event::Order);
    if !stage.calm {
        if stage.plot.is_some() || stage.now < stage.quiet_until {
            return;
        }
        if stage.random.chance(8) {
            stage.wanted = Some(wish(&mut stage.random));
        }
        if stage.random.chance(5) {
            let to = PeerId(1 + stage.random.below(PEERS));
            nemesis::hand_over(stage, nodes, to);
        }
    }
    let Some(wanted) = stage.wanted.clone() else { return };
    let now = stage.now;
    for node in nodes.iter_mut().filter(|node| node.paused_until <= now) {
        let Some(replica) = &node.replica else { continue };
        match region::next_step(&replica.status(), &wanted, 0) {
            None => {}
            Some(Step::Change(change)) => node.change(stage, change),
            Some(Step::Transfer(to)) => node.transfer(stage, to),
        }
    }
}
