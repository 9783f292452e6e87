//! Latencies in fixed room, however many there are.

/// Buckets per power of two: values are known to 1/64.
const PARTS: usize = 64;
const PART_BITS: u32 = PARTS.ilog2();
/// Nanoseconds from which on all are the same: 73 minutes.
const LARGEST: u64 = 1 << 42;
const BUCKETS: usize = (42 - PART_BITS as usize + 1) * PARTS + 1;

/// How often which nanoseconds were seen. 19 KiB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), count: 0, sum: 0, max: 0 }
    }
}

fn bucket(value: u64) -> usize {
    let value = value.min(LARGEST);
    if value < PARTS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - PART_BITS;
    (shift as usize + 1) * PARTS + (value >> shift) as usize - PARTS
}

/// The largest value of a bucket.
fn last(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = bucket / PARTS - 1;
    (((bucket % PARTS + PARTS + 1) as u64) << shift) - 1
}

impl Histogram {
    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.sum += u128::from(nanoseconds);
        self.max = self.max.max(nanoseconds);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The mean, exactly; 0 of nothing.
    pub(super) fn mean(&self) -> u64 {
        (self.sum / u128::from(self.count.max(1))) as u64
    }

    /// The value that `part` (0 to 1) of all do not exceed, at most 1/64 too large; 0 of nothing.
    pub(super) fn quantile(&self, part: f64) -> u64 {
        let rank = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return last(at).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BUCKETS, Histogram, LARGEST, bucket, last};

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        for at in 0..BUCKETS - 1 {
            assert_eq!(bucket(last(at)), at);
            assert_eq!(bucket(last(at) + 1), at + 1);
        }
        assert_eq!(bucket(LARGEST), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        /// Against the sorted values themselves.
        #[test]
        fn quantiles_are_at_most_a_64th_too_large(
            mut values in prop::collection::vec((0_u32..42).prop_flat_map(|bits| 0_u64..=1 << bits), 1..400),
            part in 0.0_f64..=1.0,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let rank = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len());
            let (exact, found) = (values[rank - 1], histogram.quantile(part));
            prop_assert!(found >= exact && found <= exact + exact / 64, "{found} for {exact}");
            prop_assert_eq!(histogram.max(), values[values.len() - 1]);
            prop_assert_eq!(histogram.quantile(1.0), histogram.max());
            let mean = values.iter().sum::<u64>() / values.len() as u64;
            prop_assert_eq!(histogram.mean(), mean);
        }
    }
}
