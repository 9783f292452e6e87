//! What is left out of a seed's story, to see what a failure needs; and what swarms leave out by themselves.

use crate::disk::Random;
use crate::trace::mix;

/// Seeds from here on are swarms: each has some kinds of faults and not others, so that those which are rare
/// or drown others get a world of their own. Seeds below have them all, as ever.
pub const SWARMS_FROM: u64 = 100_000;

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cut {
    /// A bit for each fault, by its number: the first 128 of a run have one.
    pub faults: u128,
    /// Faults end after so many microseconds.
    pub storm_micros: Option<u64>,
    /// The run ends after so many microseconds, and tells how everything stands.
    pub stop_micros: Option<u64>,
}

impl Cut {
    /// Whether a fault does not happen.
    #[must_use]
    pub fn leaves_out(&self, number: u32) -> bool {
        number < 128 && self.faults & (1 << number) != 0
    }

    /// When faults end that would go on for `storm`.
    pub(crate) fn storm(&self, storm: u64) -> u64 {
        self.storm_micros.map_or(storm, |micros| micros.min(storm))
    }

    /// Whether the run ends at `now`.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.stop_micros.is_some_and(|stop| now >= stop)
    }
}

/// The kinds of faults that a seed's world has, of `kinds`, a bit for each: all, or those of its swarm.
#[must_use]
pub fn swarm(seed: u64, kinds: u32) -> u64 {
    if seed < SWARMS_FROM {
        return u64::MAX;
    }
    let mut random = Random::new(mix(seed, 0x7377_6172_6d73));
    // Some have few, some have many.
    let percent = 15 + random.below(80);
    (0..kinds).filter(|_| random.chance(percent)).fold(0, |all, kind| all | 1 << kind)
}
