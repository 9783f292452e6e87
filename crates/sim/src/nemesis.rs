//! What goes wrong, drawn from the seed. Only what a cluster of three has to survive: everything may
//! crash, at once too. Disks that lie are another story (`atlas`).

use types::NodeId;

use crate::event::Event;
use crate::node::{Crash, Node, ToPoller};
use crate::partition;
use crate::sky::Sky;

/// A fault that lasts and then ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Packets from some nodes to some others are lost.
    Cuts(partition::Cuts),
    /// A disk is full or read-only.
    Short { node: usize },
    /// Packets get lost, doubled and late everywhere.
    Noise,
}

/// Kinds of faults there are, those of disks that lie or stall among them.
pub(crate) const KINDS: u32 = 22;
/// What an operator does is in every world, and none of them.
const HANDOVER: u32 = u32::MAX;

/// Which kind a draw of a hundred is, and its name.
fn kind(drawn: u64) -> (u32, &'static str) {
    match drawn {
        0..30 => (0, "partition"),
        30..32 => (1, "clock jump"),
        32..44 => (2, "noise"),
        44..56 => (3, "kill"),
        56..66 => (4, "power cut"),
        66..74 => (5, "power cut at a write"),
        74..77 => (6, "all at once"),
        77..79 => (7, "full disk"),
        79..84 => (8, "slow disk"),
        84..88 => (9, "slow applier"),
        88..90 => (10, "failed sync"),
        90 => (11, "leader severed"),
        91..93 => (12, "pause"),
        93 => (13, "nap"),
        94 => (14, "deaf follower"),
        95..97 => (15, "kill again and again"),
        _ => (HANDOVER, "handover"),
    }
}

/// Draws the next fault, and sets the alarm for the one after it.
pub(crate) fn strike(sky: &mut Sky, nodes: &mut [Node]) {
    if sky.calm {
        return;
    }
    let next = sky.settings.fault_interval_micros;
    let next = sky.between(next / 10, next);
    sky.after(next, Event::Nemesis);
    let at = usize::try_from(sky.random.below(sky.settings.nodes)).unwrap_or(0);
    let (kind, name) = kind(sky.random.below(100));
    if !comes(sky, kind) {
        return;
    }
    sky.note(NodeId(0), name, [u64::from(sky.faults - 1), 0, 0, 0]);
    match kind {
        0 => part(sky),
        1 => jump_clock(sky, &mut nodes[at]),
        2 => noise(sky),
        3 => crash(sky, &mut nodes[at], Crash::Kill),
        4 => crash(sky, &mut nodes[at], Crash::Power),
        5 => cut_power_soon(sky, &mut nodes[at]),
        6 => crash_all(sky, nodes),
        7 => fill_disk(sky, &mut nodes[at]),
        8 => slow_disk(sky, &mut nodes[at]),
        9 => slow_applier(sky, &mut nodes[at]),
        10 => fail_sync(sky, &mut nodes[at]),
        11 => sever(sky, nodes),
        12 => pause(sky, &mut nodes[at]),
        13 => nap(sky, nodes),
        14 => deafen(sky, nodes),
        15 => bounce(sky, &mut nodes[at], 3 + at as u64),
        _ => transfer(sky, nodes),
    }
}

/// Gives a fault its number; answers whether it is one of this world's and was not left out.
pub(crate) fn comes(sky: &mut Sky, kind: u32) -> bool {
    let number = sky.faults;
    sky.faults += 1;
    !sky.cut.leaves_out(number) && (kind == HANDOVER || sky.swarm & 1 << kind != 0)
}

/// A lasting fault is over.
pub(crate) fn heal(sky: &mut Sky, nodes: &mut [Node], fault: Fault) {
    if sky.calm {
        return;
    }
    match fault {
        Fault::Cuts(cuts) => cuts.into_iter().for_each(|(from, to)| sky.network.mend(from, to)),
        Fault::Short { node } => nodes[node].arm_disk(sky),
        Fault::Noise => set_noise(sky, [0; 3]),
    }
}

/// All faults stop: links are whole, disks fast, and whoever is down comes up.
pub(crate) fn calm(sky: &mut Sky, nodes: &mut [Node]) {
    sky.calm = true;
    sky.note(NodeId(0), "calm", [0; 4]);
    sky.network.mend_all();
    for node in nodes {
        node.slow_disk_until = 0;
        node.stalled_until = 0;
        node.slow_applier_until = 0;
        node.paused_until = 0;
        node.short_until = 0;
        node.disk.disarm();
        node.disk.give_space();
        node.engine.disarm();
        if node.running.is_some() && node.disk.lies() {
            // What nobody looked at is found at a start.
            node.crash(sky, Crash::Kill);
        }
        if node.running.is_none() {
            sky.after(1_000, Event::Restart { node: node.at(), life: node.life });
        }
    }
}

fn duration(sky: &mut Sky) -> u64 {
    // Mostly about an election timeout, sometimes much longer.
    if sky.random.chance(25) {
        sky.between(800_000, 3_000_000)
    } else {
        sky.between(40_000, 900_000)
    }
}

fn part(sky: &mut Sky) {
    let cuts = partition::draw(&mut sky.random, sky.settings.nodes, &mut sky.counts);
    let at = |seat: NodeId| sky.roster.at(usize::try_from(seat.get()).unwrap_or(1) - 1);
    let cuts: partition::Cuts = cuts.into_iter().map(|(from, to)| (at(from), at(to))).collect();
    let lasts = duration(sky);
    if sky.random.chance(40) {
        cuts.iter().for_each(|(from, to)| sky.break_link(*from, *to));
    }
    cut(sky, cuts, lasts);
}

fn cut(sky: &mut Sky, cuts: partition::Cuts, lasts: u64) {
    for (from, to) in &cuts {
        sky.network.cut(*from, *to);
        sky.note(*from, "cut off from", [to.get(), lasts, 0, 0]);
    }
    sky.after(lasts, Event::Heal(Fault::Cuts(cuts)));
}

/// The wall clock jumps by an hour. Nothing may go by it.
fn jump_clock(sky: &mut Sky, node: &mut Node) {
    sky.counts.clock_jumps += 1;
    let forward = sky.random.chance(60);
    sky.note(node.id, "wall clock jumps", [u64::from(forward), 0, 0, 0]);
    node.wall_micros += if forward { 3_600_000_000 } else { -3_600_000_000 };
}

/// The disk has no room left but for a few bytes, or turns read-only, for a while.
fn fill_disk(sky: &mut Sky, node: &mut Node) {
    let lasts = duration(sky);
    node.read_only = sky.random.chance(40);
    node.short_until = node.short_until.max(sky.now + lasts);
    sky.note(node.id, "has no space", [u64::from(node.read_only), lasts, 0, 0]);
    if node.read_only {
        sky.counts.read_only_disks += 1;
        node.disk.set_read_only();
    } else {
        sky.counts.full_disks += 1;
        node.disk.set_free_bytes(sky.random.below(3_000));
    }
    // Just after: whoever looks must find it well again.
    sky.after(node.short_until - sky.now + 1, Event::Heal(Fault::Short { node: node.at() }));
}

fn noise(sky: &mut Sky) {
    let levels = [sky.random.below(25), sky.random.below(20), sky.random.below(30)];
    set_noise(sky, levels);
    let duration = duration(sky);
    sky.note(NodeId(0), "noise", [levels[0], levels[1], levels[2], duration]);
    sky.after(duration, Event::Heal(Fault::Noise));
}

fn set_noise(sky: &mut Sky, [drop, duplicate, late]: [u64; 3]) {
    sky.network.drop_percent = drop;
    sky.network.duplicate_percent = duplicate;
    sky.network.late_percent = late;
}

fn crash(sky: &mut Sky, node: &mut Node, how: Crash) {
    if node.running.is_none() {
        return;
    }
    node.crash(sky, how);
    let delay = duration(sky);
    sky.after(delay, Event::Restart { node: node.at(), life: node.life });
}

fn crash_all(sky: &mut Sky, nodes: &mut [Node]) {
    let how = if sky.random.chance(60) { Crash::Power } else { Crash::Kill };
    for node in nodes {
        crash(sky, node, how);
    }
}

/// The power goes in the middle of whatever the node writes next.
fn cut_power_soon(sky: &mut Sky, node: &mut Node) {
    if node.running.is_none() {
        return;
    }
    let writes = sky.random.below(6);
    let at_engine = sky.random.chance(40);
    sky.note(node.id, "loses power soon", [writes, u64::from(at_engine), 0, 0]);
    if at_engine {
        node.engine.cut_power_in(writes);
    } else {
        node.disk.cut_power_in(writes);
    }
}

fn slow_disk(sky: &mut Sky, node: &mut Node) {
    sky.counts.slow_disks += 1;
    let duration = duration(sky);
    sky.note(node.id, "slow disk", [duration, 0, 0, 0]);
    node.slow_disk_until = sky.now + duration;
    if sky.random.chance(50) {
        // And the power goes while much is on its way to the disk.
        let writes = 4 + sky.random.below(12);
        node.disk.cut_power_in(writes);
    }
}

fn pause(sky: &mut Sky, node: &mut Node) {
    sky.counts.pauses += 1;
    let duration = duration(sky);
    sky.note(node.id, "pauses", [duration, 0, 0, 0]);
    node.paused_until = sky.now + duration;
    sky.oracles.moves.stands_still(node.id, node.paused_until);
}

/// A node that leads does not get to run for about as long as the others are patient: it finds
/// questions and answers of before when it wakes, and maybe another leader.
fn nap(sky: &mut Sky, nodes: &mut [Node]) {
    let leads = |node: &&mut Node| {
        let shards = node.running.as_ref().map(|running| running.shards.values());
        shards.is_some_and(|mut shards| shards.any(|shard| shard.leadership.here))
    };
    let Some(node) = nodes.iter_mut().find(leads) else { return };
    sky.counts.pauses += 1;
    let lasts = sky.between(200_000, 500_000);
    sky.note(node.id, "naps", [lasts, 0, 0, 0]);
    node.paused_until = node.paused_until.max(sky.now + lasts);
    sky.oracles.moves.stands_still(node.id, node.paused_until);
}

/// A node that leads goes on, and all its connections end: the others look for another leader at once.
fn sever(sky: &mut Sky, nodes: &[Node]) {
    let leads = |node: &&Node| {
        let shards = node.running.as_ref().map(|running| running.shards.values());
        shards.is_some_and(|mut shards| shards.any(|shard| shard.leadership.here))
    };
    let Some(leader) = nodes.iter().find(leads).map(|node| node.id) else { return };
    sky.counts.partitions += 1;
    sky.break_links(leader);
    let others = sky.roster.others(leader).into_iter();
    let cuts = others.flat_map(|other| [(leader, other), (other, leader)]).collect();
    let lasts = sky.between(200_000, 900_000);
    cut(sky, cuts, lasts);
}

/// A node does not hear one that leads, though that hears it, while clients only read: it asks for
/// votes all the time, also when the group goes to sleep and wakes.
fn deafen(sky: &mut Sky, nodes: &[Node]) {
    let leads = |node: &&Node| {
        let shards = node.running.as_ref().map(|running| running.shards.values());
        shards.is_some_and(|mut shards| shards.any(|shard| shard.leadership.here))
    };
    let Some(leader) = nodes.iter().find(leads).map(|node| node.id) else { return };
    let deaf = sky.roster.next_to(leader);
    sky.counts.one_way_partitions += 1;
    let lasts = sky.between(800_000, 3_000_000);
    sky.quiet_until = sky.now + lasts;
    sky.note(deaf, "does not hear", [leader.get(), lasts, 0, 0]);
    cut(sky, vec![(leader, deaf)], lasts);
}

/// A process dies and is back at once, several times: what was asked and answered in one of its lives
/// comes in another.
pub(crate) fn bounce(sky: &mut Sky, node: &mut Node, left: u64) {
    if sky.calm || left == 0 {
        return;
    }
    if node.running.is_some() {
        node.crash(sky, Crash::Kill);
        let delay = sky.between(300, 4_000);
        sky.after(delay, Event::Restart { node: node.at(), life: node.life });
    }
    // Long enough to hear of a leader; and what is on its way takes its time.
    sky.network.late_percent = 50;
    let delay = sky.between(30_000, 160_000);
    sky.after(delay, Event::Heal(Fault::Noise));
    sky.after(delay, Event::Bounce { node: node.at(), left: left - 1 });
}

fn slow_applier(sky: &mut Sky, node: &mut Node) {
    sky.counts.slow_appliers += 1;
    let duration = duration(sky);
    sky.note(node.id, "slow applier", [duration, 0, 0, 0]);
    node.slow_applier_until = sky.now + duration;
}

fn fail_sync(sky: &mut Sky, node: &mut Node) {
    if node.running.is_some() {
        sky.counts.failed_syncs += 1;
        sky.note(node.id, "next sync fails", [0; 4]);
        node.disk.fail_syncs(1);
    }
}

/// Leadership is handed over, of a region that is led here to a node that is drawn.
fn transfer(sky: &mut Sky, nodes: &mut [Node]) {
    let to = sky.random.below(sky.settings.nodes);
    let to = sky.roster.at(usize::try_from(to).unwrap_or(0));
    let mut leaders = Vec::new();
    for node in nodes {
        let life = node.life;
        node.step(sky, life, |running, sky| {
            let led = running.shards.iter().find(|(_, shard)| shard.leadership.here);
            let Some(region) = led.map(|(region, _)| *region) else { return };
            sky.note(to, "is to lead", [region.get(), 0, 0, 0]);
            leaders.push(running.id());
            running.tell(sky, ToPoller::Transfer { region, to });
        });
    }
    // And who hands over does not hear from who takes over.
    if sky.random.chance(40) {
        let others = leaders.into_iter().filter(|leader| *leader != to);
        let cuts: partition::Cuts = others.map(|leader| (to, leader)).collect();
        let lasts = sky.between(50_000, 500_000);
        cut(sky, cuts, lasts);
    }
}
