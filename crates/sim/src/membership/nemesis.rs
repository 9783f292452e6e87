//! What goes wrong, and what the operator changes meanwhile.

use consensus::{ConfChange, PeerChange, Replica};
use types::{NodeId, PeerId};

use super::node::Node;
use super::stage::Stage;
use super::{Event, PEERS, drive, plot};
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
    plot::look(stage);
    if stage.plot.is_some() {
        return;
    }
    let at = any(stage);
    let until = stage.now + duration(stage);
    let drawn = stage.random.below(100);
    let number = stage.faults;
    stage.faults += 1;
    if stage.cut.leaves_out(number) {
        return;
    }
    stage.note(PeerId(0), "fault", [u64::from(number), drawn]);
    match drawn {
        0..28 => part(stage),
        28..32 => plot::begin(stage, nodes),
        88..92 => plot::nap(stage, nodes),
        32..35 => plot::bounce(stage, nodes),
        35..44 => noise(stage),
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
    if stage.random.chance(40) {
        cuts.iter().for_each(|(from, to)| stage.break_link(PeerId(from.get()), PeerId(to.get())));
    }
    cut(stage, cuts, lasts);
}

pub(super) fn cut(stage: &mut Stage, cuts: partition::Cuts, lasts: u64) {
    for (from, to) in &cuts {
        stage.network.cut(*from, *to);
        stage.note(PeerId(from.get()), "cut off from", [to.get(), lasts]);
    }
    stage.after(lasts, Event::Heal(Fault::Cuts(cuts)));
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

/// A process dies and is back at once.
pub(super) fn bounce(stage: &mut Stage, node: &mut Node) {
    if stage.calm || node.replica.is_none() {
        return;
    }
    node.crash(stage, false);
    let delay = stage.between(500, 10_000);
    stage.after(delay, Event::Restart { peer: node.peer, life: node.life });
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
    stage.plot = None;
    for node in nodes {
        node.hangs = (0, 0);
        (node.slow_until, node.paused_until) = (0, 0);
        if node.replica.is_none() {
            stage.after(1_000, Event::Restart { peer: node.peer, life: node.life });
        }
    }
}

fn leads_at(now: u64) -> impl Fn(&&mut Node) -> bool {
    move |node| node.paused_until <= now && node.replica.as_ref().is_some_and(Replica::is_leader)
}

/// Whoever leads is to hand over.
pub(super) fn hand_over(stage: &mut Stage, nodes: &mut [Node], to: PeerId) {
    let leads = leads_at(stage.now);
    let leaders: Vec<PeerId> = nodes.iter_mut().filter(&leads).map(|node| node.peer).collect();
    // And who hands over does not hear from who takes over.
    if stage.random.chance(40) {
        let cuts = leaders.iter().map(|it| (NodeId(to.get()), NodeId(it.get())));
        let lasts = stage.between(50_000, 500_000);
        cut(stage, cuts.filter(|(one, other)| one != other).collect(), lasts);
    }
    nodes.iter_mut().filter(&leads).for_each(|node| node.transfer(stage, to));
}

/// The operator changes the peers, or hands leadership over.
pub(super) fn order(stage: &mut Stage, nodes: &mut [Node]) {
    if stage.wanted.is_some() {
        return drive::order(stage, nodes);
    }
    if stage.calm {
        return;
    }
    let next = stage.between(ORDER_MICROS / 20, ORDER_MICROS);
    stage.after(next, Event::Order);
    if stage.plot.is_some() || stage.now < stage.quiet_until {
        return;
    }
    let at = any(stage);
    let now = stage.now;
    let leads = leads_at(now);
    let mut to = PeerId(1 + stage.random.below(PEERS));
    if stage.crowded
        && let Some(node) = nodes.iter_mut().find(&leads)
    {
        let voters = &node.disk.engine.conf.voters;
        to = (1..=PEERS).map(PeerId).find(|peer| !voters.contains(peer)).unwrap_or(to);
    }
    let other = PeerId(1 + to.get() % PEERS);
    let third = PeerId(1 + other.get() % PEERS);
    let kinds = if stage.crowded { 20 } else { 12 };
    let change = match stage.random.below(kinds) {
        0..4 | 12.. => ConfChange::add_voter(to),
        4 => ConfChange::add_learner(to),
        5..7 => ConfChange::remove(to),
        7 => ConfChange::Joint(vec![PeerChange::AddVoter(to), PeerChange::AddLearner(other)]),
        8 => ConfChange::Joint(vec![
            PeerChange::AddVoter(to),
            PeerChange::Remove(other),
            PeerChange::Remove(third),
        ]),
        _ => {
            hand_over(stage, nodes, to);
            return;
        }
    };
    // Mostly at who leads, now and then at anybody.
    let leader = nodes.iter_mut().position(|node| leads(&node));
    let place = leader.filter(|_| !stage.random.chance(10)).unwrap_or(at);
    if nodes[place].paused_until <= now {
        nodes[place].change(stage, change);
    }
}
