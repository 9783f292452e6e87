//! How fast a region's commands are applied, as measured.

use std::time::Duration;

/// Above this per entry a region is slow. Puts take a few microseconds.
const SLOW: Duration = Duration::from_micros(500);

/// Below this it is not worth remembering.
const NOTHING: Duration = Duration::from_micros(125);

/// A running mean of what an entry takes, over the last few turns.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    entry: Duration,
}

impl Pace {
    /// A turn applied `entries` in `took`.
    pub(super) fn note(&mut self, entries: usize, took: Duration) {
        let Some(entries) = u32::try_from(entries).ok().filter(|entries| *entries > 0) else {
            return;
        };
        self.entry = (self.entry * 3 + took / entries) / 4;
    }

    /// Whether it is hardly another one than that of a region of which nothing is known.
    pub(super) fn is_nothing(self) -> bool {
        self.entry < NOTHING
    }

    pub(super) fn is_slow(self) -> bool {
        self.entry > SLOW
    }
}
