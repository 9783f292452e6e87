//! What goes wrong, drawn from the seed. Only what a cluster of three has to survive: everything may
//! crash, at once too, but no disk forgets what it synced.

use types::NodeId;

use crate::event::Event;
use crate::node::{Crash, Node, ToPoller};
use crate::scenario::NODES;
use crate::sky::Sky;

/// A fault that lasts and then ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Packets from one node to another are lost.
    Cut { from: NodeId, to: NodeId },
    /// Packets get lost, doubled and late everywhere.
    Noise,
}

/// Draws the next fault, and sets the alarm for the one after it.
pub(crate) fn strike(sky: &mut Sky, nodes: &mut [Node]) {
    if sky.calm {
        return;
    }
    let next = sky.settings.fault_interval_micros;
    let next = sky.between(next / 10, next);
    sky.after(next, Event::Nemesis);
    let at = usize::try_from(sky.random.below(NODES as u64)).unwrap_or(0);
    match sky.random.below(100) {
        0..14 => isolate(sky, NodeId(at as u64 + 1), true),
        14..24 => isolate(sky, NodeId(at as u64 + 1), false),
        24..32 => cut_one_way(sky),
        32..44 => noise(sky),
        44..56 => crash(sky, &mut nodes[at], Crash::Kill),
        56..66 => crash(sky, &mut nodes[at], Crash::Power),
        66..74 => cut_power_soon(sky, &mut nodes[at]),
        74..77 => crash_all(sky, nodes),
        77..84 => slow_disk(sky, &mut nodes[at]),
        84..88 => slow_applier(sky, &mut nodes[at]),
        88..91 => fail_sync(sky, &mut nodes[at]),
        91..95 => pause(sky, &mut nodes[at]),
        _ => transfer(sky, nodes),
    }
}

/// A lasting fault is over.
pub(crate) fn heal(sky: &mut Sky, fault: Fault) {
    if sky.calm {
        return;
    }
    match fault {
        Fault::Cut { from, to } => sky.network.mend(from, to),
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
        node.slow_applier_until = 0;
        node.paused_until = 0;
        node.disk.disarm();
        node.engine.disarm();
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

fn cut(sky: &mut Sky, from: NodeId, to: NodeId, duration: u64) {
    sky.network.cut(from, to);
    sky.note(from, "cut off from", [to.get(), duration, 0, 0]);
    sky.after(duration, Event::Heal(Fault::Cut { from, to }));
}

fn isolate(sky: &mut Sky, node: NodeId, fully: bool) {
    sky.counts.partitions += 1;
    let duration = duration(sky);
    let skipped = NodeId(1 + (node.get() % NODES as u64));
    for other in (1..=NODES as u64).map(NodeId).filter(|other| *other != node) {
        if fully || other != skipped {
            cut(sky, node, other, duration);
            cut(sky, other, node, duration);
        }
    }
}

fn cut_one_way(sky: &mut Sky) {
    sky.counts.one_way_partitions += 1;
    let from = NodeId(1 + sky.random.below(NODES as u64));
    let duration = duration(sky);
    let all = sky.random.chance(50);
    let skipped = NodeId(1 + (from.get() % NODES as u64));
    let outward = sky.random.chance(50);
    for other in (1..=NODES as u64).map(NodeId).filter(|other| *other != from) {
        if all || other != skipped {
            let (from, to) = if outward { (from, other) } else { (other, from) };
            cut(sky, from, to, duration);
        }
    }
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
    let to = NodeId(1 + sky.random.below(NODES as u64));
    for node in nodes {
        let life = node.life;
        node.step(sky, life, |running, sky| {
            let led = running.shards.iter().find(|(_, shard)| shard.leadership.here);
            let Some(region) = led.map(|(region, _)| *region) else { return };
            sky.note(to, "is to lead", [region.get(), 0, 0, 0]);
            running.tell(sky, ToPoller::Transfer { region, to });
        });
    }
}
