//! What goes wrong, and what the operator changes meanwhile.

use consensus::{ConfChange, PeerChange, Replica};
use types::{NodeId, PeerId};

use super::node::Node;
use super::stage::Stage;
use super::{Event, PEERS};
use crate::partition;

/// A fault that ends.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Cuts(partition::Cuts),
    Noise,
}

/// Between two faults, and between two orders of the operator, at most.
const FAULT_MICROS: u64 = 700_000;
const ORDER_MICROS: u64 = 500_000;

fn duration(stage: &mut Stage) -> u64 {
    if stage.random.chance(25) {
        stage.between(600_000, 2_500_000)
    } else {
        stage.between(40_000, 700_000)
    }
}

fn any(stage: &mut Stage) -> usize {
    usize::try_from(stage.random.below(PEERS)).unwrap_or(0)
}

pub(super) fn strike(stage: &mut Stage, nodes: &mut [Node]) {
    if stage.calm {
        return;
    }
    let next = stage.between(FAULT_MICROS / 10, FAULT_MICROS);
    stage.after(next, Event::Nemesis);
    let at = any(stage);
    let until = stage.now + duration(stage);
    match stage.random.below(100) {
        0..34 => part(stage),
        34..44 => noise(stage),
        44..56 => crash(stage, &mut nodes[at], false),
        56..70 => crash(stage, &mut nodes[at], true),
        70..74 => {
            let power = stage.random.chance(60);
            nodes.iter_mut().for_each(|node| crash(stage, node, power));
        }
        74..88 => {
            stage.counts.slow_disks += 1;
            stage.note(nodes[at].peer, "slow disk", [until - stage.now, 0]);
            nodes[at].slow_until = until;
            if stage.random.chance(50) {
                see_saw(stage, nodes, at);
            }
        }
        _ => {
            stage.counts.pauses += 1;
            stage.note(nodes[at].peer, "pauses", [until - stage.now, 0]);
            nodes[at].paused_until = until;
        }
    }
}

fn part(stage: &mut Stage) {
    let cuts = partition::draw(&mut stage.random, PEERS, &mut stage.counts);
    let lasts = duration(stage);
    cut(stage, cuts, lasts);
}

fn cut(stage: &mut Stage, cuts: partition::Cuts, lasts: u64) {
    for (from, to) in &cuts {
        stage.network.cut(*from, *to);
        stage.note(PeerId(from.get()), "cut off from", [to.get(), lasts]);
    }
    stage.after(lasts, Event::Heal(Fault::Cuts(cuts)));
}

/// While a disk is slow, its node hears one leader, then another, then the first again: what it was
/// told, what overrules that, and what overrules this are on their way to the disk together.
fn see_saw(stage: &mut Stage, nodes: &[Node], slow: usize) {
    let slow = nodes[slow].peer;
    let leader = nodes.iter().find(|it| it.replica.as_ref().is_some_and(Replica::is_leader));
    let Some(leader) = leader.map(|node| node.peer).filter(|it| *it != slow) else { return };
    let (one, other) = (NodeId(leader.get()), NodeId(slow.get()));
    // The leader and the slow one alone, then the leader without it, and all is well again.
    let rest: Vec<NodeId> =
        (1..=PEERS).map(NodeId).filter(|id| *id != one && *id != other).collect();
    let mut cuts = partition::Cuts::new();
    for node in rest {
        cuts.extend([(one, node), (node, one)]);
        if stage.random.chance(30) {
            cuts.extend([(other, node), (node, other)]);
        }
    }
    let lasts = stage.between(150_000, 500_000);
    cut(stage, cuts, lasts);
}

fn noise(stage: &mut Stage) {
    let (drop, double, late) =
        (stage.random.below(25), stage.random.below(20), stage.random.below(30));
    let network = &mut stage.network;
    (network.drop_percent, network.duplicate_percent, network.late_percent) = (drop, double, late);
    let lasts = duration(stage);
    stage.note(PeerId(0), "noise", [drop << 32 | double << 16 | late, lasts]);
    stage.after(lasts, Event::Heal(Fault::Noise));
}

fn crash(stage: &mut Stage, node: &mut Node, power: bool) {
    if node.replica.is_none() {
        return;
    }
    node.crash(stage, power);
    // Often back at once: while the others still count on what it promised.
    let delay =
        if stage.random.chance(50) { stage.between(1_000, 60_000) } else { duration(stage) };
    stage.after(delay, Event::Restart { peer: node.peer, life: node.life });
}

pub(super) fn heal(stage: &mut Stage, fault: Fault) {
    match fault {
        _ if stage.calm => {}
        Fault::Cuts(cuts) => cuts.into_iter().for_each(|(from, to)| stage.network.mend(from, to)),
        Fault::Noise => {
            let network = &mut stage.network;
            (network.drop_percent, network.duplicate_percent, network.late_percent) = (0, 0, 0);
        }
    }
}

pub(super) fn calm(stage: &mut Stage, nodes: &mut [Node]) {
    stage.calm = true;
    stage.note(PeerId(0), "calm", [0; 2]);
    stage.network.mend_all();
    for node in nodes {
        (node.slow_until, node.paused_until) = (0, 0);
        if node.replica.is_none() {
            stage.after(1_000, Event::Restart { peer: node.peer, life: node.life });
        }
    }
}

/// The operator changes the peers, or hands leadership over.
pub(super) fn order(stage: &mut Stage, nodes: &mut [Node]) {
    if stage.calm {
        return;
    }
    let next = stage.between(ORDER_MICROS / 20, ORDER_MICROS);
    stage.after(next, Event::Order);
    let at = any(stage);
    let leads = |node: &&mut Node| node.replica.as_ref().is_some_and(Replica::is_leader);
    let to = PeerId(1 + stage.random.below(PEERS));
    let other = PeerId(1 + to.get() % PEERS);
    let third = PeerId(1 + other.get() % PEERS);
    let change = match stage.random.below(12) {
        0..4 => ConfChange::add_voter(to),
        4 => ConfChange::add_learner(to),
        5..7 => ConfChange::remove(to),
        7 => ConfChange::Joint(vec![PeerChange::AddVoter(to), PeerChange::AddLearner(other)]),
        8 => ConfChange::Joint(vec![
            PeerChange::AddVoter(to),
            PeerChange::Remove(other),
            PeerChange::Remove(third),
        ]),
        _ => {
            nodes.iter_mut().filter(leads).for_each(|node| node.transfer(stage, to));
            return;
        }
    };
    // Mostly at who leads, now and then at anybody.
    match nodes.iter_mut().find(leads) {
        Some(node) if !stage.random.chance(10) => node.change(stage, change),
        _ => nodes[at].change(stage, change),
    }
}
