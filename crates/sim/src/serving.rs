//! How long after the last fault each region serves again, counted in election timeouts.

use types::RegionId;

use crate::counts::Counts;
use crate::ending::all_regions;
use crate::event::Event;
use crate::node::ELECTION_TICKS;
use crate::sky::Sky;
use crate::world::World;

/// Microseconds between two looks.
const LOOK: u64 = 5_000;

/// Faults are over: from here on it is counted.
pub(crate) fn begin(sky: &mut Sky, world: &World) {
    sky.not_serving = all_regions(world);
    sky.calm_since = sky.now;
    sky.after(LOOK, Event::Serving);
}

pub(crate) fn look(sky: &mut Sky, world: &World) {
    let waited = sky.now - sky.calm_since;
    let timeout = sky.settings.tick_micros * ELECTION_TICKS as u64;
    let before = sky.not_serving.len();
    sky.not_serving.retain(|region| !serves(world, *region));
    let now = before - sky.not_serving.len();
    count(&mut sky.counts, waited.div_ceil(timeout), now as u64);
    if waited < crate::ending::PROBE_AFTER {
        if !sky.not_serving.is_empty() {
            sky.after(LOOK, Event::Serving);
        }
    } else {
        sky.counts.served_later += sky.not_serving.len() as u64;
    }
}

/// Election timeouts within which 99 of 100 regions served; `None` if it took more than 10, or none is
/// counted.
#[must_use]
pub fn p99(counts: &Counts) -> Option<u64> {
    let within = [
        (1, counts.served_in_1),
        (2, counts.served_in_2),
        (3, counts.served_in_3),
        (5, counts.served_in_5),
        (10, counts.served_in_10),
    ];
    let all = within.iter().map(|(_, regions)| regions).sum::<u64>() + counts.served_later;
    let mut so_far = 0;
    let reached = within.into_iter().find(|(_, regions)| {
        so_far += regions;
        all > 0 && so_far * 100 >= all * 99
    });
    reached.map(|(timeouts, _)| timeouts)
}

/// Adds `regions` that serve within so many election timeouts.
fn count(counts: &mut Counts, timeouts: u64, regions: u64) {
    *match timeouts {
        0..=1 => &mut counts.served_in_1,
        2 => &mut counts.served_in_2,
        3 => &mut counts.served_in_3,
        4..=5 => &mut counts.served_in_5,
        6..=10 => &mut counts.served_in_10,
        _ => &mut counts.served_later,
    } += regions;
}

/// Somebody leads it, and has applied an entry of that term: reads and writes are answered.
fn serves(world: &World, region: RegionId) -> bool {
    let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
    running
        .filter_map(|it| it.shards.get(&region))
        .any(|shard| shard.leadership.here && shard.machine.applied().term == shard.leadership.term)
}
