//! Disks that lie: what may become of what a disk had taken. One at a time: until the node is whole
//! again, or another one has taken its place in every region, no other disk lies, so that there are
//! always more nodes that keep what they promised than a majority needs.

mod damage;
mod recovery;
mod successor;
mod vouched;

use types::NodeId;

use crate::disk::Random;
use crate::event::Event;
use crate::nemesis;
use crate::node::{Crash, Node};
use crate::sky::Sky;
use crate::trace::mix;

pub(crate) use recovery::{Truth, refused, started};
pub(crate) use successor::{look_whether_whole, replace};

/// Microseconds before the end of the storm from which on no disk begins to lie: a new node takes a while.
const LAST_LIE: u64 = 2_500_000;
/// The longest stall.
const STALL: u64 = 6_000_000;

/// What a disk may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    Flip,
    Misdirected,
    Stale,
    LostName,
    LostDisk,
}

/// A node whose disk lied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lying {
    pub(crate) node: NodeId,
    pub(crate) lie: Lie,
    /// Who takes its place.
    pub(crate) successor: Option<NodeId>,
}

/// The faults of disks of a run. Their chance is their own, so that worlds without them are as they were.
pub(crate) struct Atlas {
    random: Random,
    /// Whether disks lie in this world.
    lies: bool,
    pub(crate) lying: Option<Lying>,
    /// The next snapshot that is received anywhere is one whose disk lies.
    waits_for_snapshot: bool,
}

impl Atlas {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(mix(seed, 0x0061_746c_6173));
        let lies = random.chance(65);
        Self { random, lies, lying: None, waits_for_snapshot: false }
    }

    /// Whether any node may be lost for good in this world.
    pub(crate) fn disks_lie(&self) -> bool {
        self.lies
    }
}

/// The first fault of a disk is set.
pub(crate) fn begin(sky: &mut Sky) {
    let first = 700_000 + sky.atlas.random.below(1_500_000);
    sky.after(first, Event::Atlas);
}

/// Draws the next fault of a disk, and sets the alarm for the one after it.
pub(crate) fn strike(sky: &mut Sky, nodes: &mut [Node]) {
    if sky.calm {
        return;
    }
    successor::look_whether_whole(sky, nodes);
    let next = 300_000 + sky.atlas.random.below(1_700_000);
    sky.after(next, Event::Atlas);
    let (at, drawn) = (sky.atlas.random.below(nodes.len() as u64), sky.atlas.random.below(100));
    let waits = sky.atlas.random.chance(35);
    let (kind, name, lie) = match drawn {
        0..26 => (16, "bit flip", Some(Lie::Flip)),
        26..44 => (17, "misdirected write", Some(Lie::Misdirected)),
        44..60 => (18, "stale read", Some(Lie::Stale)),
        60..74 => (19, "lost name", Some(Lie::LostName)),
        74..86 => (20, "lost disk", Some(Lie::LostDisk)),
        _ => (21, "stall", None),
    };
    let is_due = match lie {
        Some(_) => sky.atlas.lies && sky.atlas.lying.is_none() && !is_late(sky),
        None => true,
    };
    if !is_due || !nemesis::comes(sky, kind) {
        return;
    }
    sky.note(NodeId(0), name, [u64::from(sky.faults - 1), 0, 0, 0]);
    let node = &mut nodes[usize::try_from(at).unwrap_or(0)];
    match lie {
        None => stall(sky, node),
        Some(Lie::Flip | Lie::Misdirected | Lie::Stale | Lie::LostName) if waits => {
            sky.atlas.waits_for_snapshot = true;
        }
        Some(lie) => begin_to_lie(sky, node, lie),
    }
}

fn is_late(sky: &Sky) -> bool {
    sky.now + LAST_LIE > sky.cut.storm(sky.settings.storm_micros)
}

/// A node received a snapshot: where that was waited for, its disk lies soon.
pub(crate) fn received_snapshot(sky: &mut Sky, node: usize, life: u64) {
    if !sky.calm && std::mem::take(&mut sky.atlas.waits_for_snapshot) {
        let delay = 100 + sky.atlas.random.below(6_000);
        sky.after(delay, Event::Lie { node, life });
    }
}

/// The disk of a node that has a snapshot lies, unless another one does by now.
pub(crate) fn lie(sky: &mut Sky, node: &mut Node, life: u64) {
    if node.life == life && sky.atlas.lying.is_none() && !sky.calm && !is_late(sky) {
        let lies = [Lie::Flip, Lie::Misdirected, Lie::Stale, Lie::LostName];
        let drawn = usize::try_from(sky.atlas.random.below(4)).unwrap_or(0);
        begin_to_lie(sky, node, lies[drawn]);
    }
}

fn begin_to_lie(sky: &mut Sky, node: &mut Node, lie: Lie) {
    if node.is_given_up {
        return;
    }
    // Some bits flip under a process that runs: whoever reads them finds it.
    let is_alive = lie == Lie::Flip && node.running.is_some() && sky.atlas.random.chance(35);
    if !is_alive {
        node.crash(sky, Crash::Power);
        let down = sky.between(5_000, 900_000);
        sky.after(down, Event::Restart { node: node.at(), life: node.life });
    }
    let random = &mut sky.atlas.random;
    let has_lied = match lie {
        Lie::Flip => damage::flip(random, &node.disk),
        Lie::Misdirected => damage::misdirect(random, &node.disk),
        Lie::Stale => damage::show_past(random, &node.disk),
        Lie::LostName => damage::lose_name(random, &node.disk),
        Lie::LostDisk => {
            node.lose_disk();
            true
        }
    };
    if !has_lied {
        return;
    }
    *match lie {
        Lie::Flip => &mut sky.counts.flips,
        Lie::Misdirected => &mut sky.counts.misdirected,
        Lie::Stale => &mut sky.counts.stale_reads,
        Lie::LostName => &mut sky.counts.lost_names,
        Lie::LostDisk => &mut sky.counts.lost_disks,
    } += 1;
    sky.note(node.id, "has a disk that lies", [lie as u64, u64::from(is_alive), 0, 0]);
    sky.atlas.lying = Some(Lying { node: node.id, lie, successor: None });
}

/// The disk does nothing for seconds, and then goes on.
fn stall(sky: &mut Sky, node: &mut Node) {
    sky.counts.stalls += 1;
    let lasts = 1_000_000 + sky.atlas.random.below(STALL - 1_000_000);
    let until = (sky.now + lasts).min(sky.cut.storm(sky.settings.storm_micros));
    sky.note(node.id, "has a disk that stalls", [until.saturating_sub(sky.now), 0, 0, 0]);
    node.stalled_until = node.stalled_until.max(until);
}
