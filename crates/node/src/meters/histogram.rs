use std::sync::atomic::{AtomicU64, Ordering};

/// How often values fell between fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: what is above the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// The largest since it was last asked for.
    largest: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Upper bounds, inclusive and ascending.
    pub bounds: &'static [u64],
    /// How many values fell under each bound and above the one before; the last is above all.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl Histogram {
    /// An empty one; `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0), largest: AtomicU64::new(0) }
    }

    /// Takes a value in.
    pub fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.largest.fetch_max(value, Ordering::Relaxed);
    }

    /// What it holds. Values that come meanwhile may be in one part and not in another.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }

    /// The largest value since the last call; 0 if there was none.
    pub fn take_largest(&self) -> u64 {
        self.largest.swap(0, Ordering::Relaxed)
    }
}

impl Tally {
    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound under which half of the values lie that came after `before`; 0 if none did, and the
    /// last bound if most are above it.
    #[must_use]
    pub fn median_since(&self, before: &Self) -> u64 {
        let old = |at: usize| before.counts.get(at).copied().unwrap_or(0);
        let new: Vec<u64> = self
            .counts
            .iter()
            .enumerate()
            .map(|(at, count)| count.saturating_sub(old(at)))
            .collect();
        let half = new.iter().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        for (at, count) in new.iter().enumerate() {
            seen += count;
            if half > 0 && seen >= half {
                return self.bounds.get(at).or(self.bounds.last()).copied().unwrap_or(0);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, Tally};

    #[test]
    fn values_fall_under_their_bounds_and_the_median_is_of_the_new_ones() {
        let histogram = Histogram::new(&[1, 10, 100]);
        [0, 1, 2, 100, 101].into_iter().for_each(|value| histogram.add(value));
        let first = histogram.tally();
        assert_eq!((first.counts.as_slice(), first.sum), (&[2, 1, 1, 1][..], 204));
        assert_eq!(first.median_since(&Tally::default()), 10);
        assert_eq!((histogram.take_largest(), histogram.take_largest()), (101, 0));
        assert_eq!(histogram.tally().median_since(&first), 0);
        [1000, 1000, 3].into_iter().for_each(|value| histogram.add(value));
        assert_eq!(histogram.tally().median_since(&first), 100);
    }
}
