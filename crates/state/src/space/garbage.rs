//! Which versions can be removed from the engine, and whether it is worth it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use types::{RegionId, Revision};

use crate::keys;
use crate::response::Position;

/// Revisions of one bucket.
const BUCKET_BITS: u32 = 10;
/// The bits that are left for the place within a revision. A version at a later place stays for ever;
/// a request is too small to make one.
const SUB_BITS: u32 = 32 - BUCKET_BITS;
/// Records from so many bytes on are known one by one, the others by their mean.
const LARGE: usize = 4 * 1024;
/// Less is not removed before somebody asks for it.
const WORTH_BYTES: u64 = 1024 * 1024;

/// Positions, in 4 bytes each.
#[derive(Clone, Default, Debug)]
pub(super) struct Positions {
    buckets: BTreeMap<i64, Vec<u32>>,
    count: u64,
}

impl Positions {
    fn push(&mut self, at: Position) {
        if let Some((bucket, place)) = split(at) {
            self.buckets.entry(bucket).or_default().push(place);
            self.count += 1;
        }
    }

    fn sort(&mut self) {
        for places in self.buckets.values_mut() {
            places.sort_unstable();
            places.dedup();
            places.shrink_to_fit();
        }
        self.count = self.buckets.values().map(|places| places.len() as u64).sum();
    }

    /// Once sorted.
    fn holds(&self, at: Position) -> bool {
        let Some((bucket, place)) = split(at) else { return false };
        self.buckets.get(&bucket).is_some_and(|places| places.binary_search(&place).is_ok())
    }

    /// Once sorted.
    fn next(&self, from: Position) -> Option<Position> {
        let bucket = from.revision.get() >> BUCKET_BITS;
        let first = self.buckets.get(&bucket).and_then(|places| {
            // What has no place of its own comes after all that have one in its revision.
            let low = low_bits(from.revision) << SUB_BITS;
            let place = low | from.sub.min(sub_max());
            let at = places.partition_point(|other| *other < place);
            places.get(at).map(|place| join(bucket, *place))
        });
        first.or_else(|| {
            let (bucket, places) = self.buckets.range(bucket.saturating_add(1)..).next()?;
            places.first().map(|place| join(*bucket, *place))
        })
    }
}

const fn sub_max() -> u32 {
    (1 << SUB_BITS) - 1
}

#[expect(clippy::cast_sign_loss, reason = "masked")]
fn low_bits(revision: Revision) -> u32 {
    (revision.get() & ((1 << BUCKET_BITS) - 1)) as u32
}

fn split(at: Position) -> Option<(i64, u32)> {
    let place = (low_bits(at.revision) << SUB_BITS) | at.sub;
    // The last place stands for what comes after all of them.
    (at.sub < sub_max()).then_some((at.revision.get() >> BUCKET_BITS, place))
}

fn join(bucket: i64, place: u32) -> Position {
    let revision = (bucket << BUCKET_BITS) | i64::from(place >> SUB_BITS);
    Position { revision: Revision(revision), sub: place & sub_max() }
}

/// What a walk up to the compacted revision has found: what lies there, and what of that is out of
/// reach.
#[derive(Default, Debug)]
pub(super) struct Ledger {
    dead: Positions,
    /// The records that lie there, dead ones too, without the large ones.
    small_count: u64,
    small_bytes: u64,
    large: BTreeMap<Position, u64>,
    large_bytes: u64,
    dead_small: u64,
    dead_large_bytes: u64,
}

impl Ledger {
    /// A record lies there, of so many bytes.
    pub(super) fn add(&mut self, at: Position, bytes: usize) {
        if bytes < LARGE {
            self.small_count += 1;
            self.small_bytes += bytes as u64;
        } else {
            self.large.insert(at, bytes as u64);
            self.large_bytes += bytes as u64;
        }
    }

    /// It is out of reach. It may be gone already.
    pub(super) fn mark(&mut self, at: Position) {
        self.dead.push(at);
        match self.large.get(&at) {
            Some(bytes) => self.dead_large_bytes += bytes,
            None => self.dead_small += 1,
        }
    }

    pub(super) fn has_garbage(&self) -> bool {
        self.dead.count > 0
    }

    /// Whether half of what lies there is out of reach: then what is written to remove it is no more
    /// than what is removed.
    pub(super) fn is_worth_sweeping(&self) -> bool {
        let mean = self.small_bytes / self.small_count.max(1);
        let dead = self.dead_large_bytes + self.dead_small * mean;
        dead >= WORTH_BYTES && dead * 2 >= self.small_bytes + self.large_bytes
    }

    /// Takes all that is out of reach, as what will be gone.
    pub(super) fn take(&mut self) -> Positions {
        let mut dead = std::mem::take(&mut self.dead);
        dead.sort();
        let mut large_count = 0;
        let gone: Vec<Position> =
            self.large.keys().filter(|at| dead.holds(**at)).copied().collect();
        for at in gone {
            large_count += 1;
            self.large_bytes -= self.large.remove(&at).unwrap_or_default();
        }
        let small = (dead.count - large_count).min(self.small_count);
        let mean = self.small_bytes / self.small_count.max(1);
        self.small_count -= small;
        self.small_bytes = self.small_bytes.saturating_sub(small * mean);
        (self.dead_small, self.dead_large_bytes) = (0, 0);
        dead
    }
}

/// Versions of one region that are to be removed from its engine, all of them before any can be
/// removed that is found later.
#[derive(Clone, Debug)]
pub struct Sweep {
    region: RegionId,
    dead: Arc<Positions>,
    /// Nothing else at or below this revision is out of reach.
    pub(super) up_to: Revision,
}

impl Sweep {
    pub(super) fn new(region: RegionId, dead: Positions, up_to: Revision) -> Self {
        Self { region, dead: Arc::new(dead), up_to }
    }

    /// The engine keys they lie between: from the first, inclusive, to the second, exclusive.
    #[must_use]
    pub fn range(&self) -> (Bytes, Bytes) {
        keys::records(self.region, Position::default(), self.up_to)
    }
}

impl types::Garbage for Sweep {
    fn holds(&self, key: &[u8]) -> bool {
        keys::is_of(self.region, key)
            && keys::position(key).is_some_and(|position| self.dead.holds(position))
    }

    fn next(&self, from: &[u8]) -> Option<Bytes> {
        let from = keys::position_from(self.region, from)?;
        self.dead.next(from).map(|position| keys::record(self.region, position))
    }

    fn count(&self) -> u64 {
        self.dead.count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use types::Garbage as _;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        let revision = prop_oneof![0..40_i64, 1000..1100_i64, Just(i64::MAX)];
        let sub = prop_oneof![0..4_u32, Just(sub_max() - 1), Just(sub_max()), Just(u32::MAX)];
        (revision, sub).prop_map(|(revision, sub)| Position { revision: Revision(revision), sub })
    }

    proptest! {
        #[test]
        fn a_sweep_holds_what_was_marked(
            marked in proptest::collection::vec(position(), 0..60),
            asked in proptest::collection::vec(position(), 60),
        ) {
            let region = RegionId(7);
            let mut ledger = Ledger::default();
            marked.iter().for_each(|at| ledger.mark(*at));
            let sweep = Sweep::new(region, ledger.take(), Revision(5));
            let model: BTreeSet<Position> =
                marked.into_iter().filter(|at| at.sub < sub_max()).collect();
            prop_assert_eq!(sweep.count(), model.len() as u64);
            for at in asked {
                let key = keys::record(region, at);
                prop_assert_eq!(sweep.holds(&key), model.contains(&at));
                prop_assert!(!sweep.holds(&keys::record(RegionId(8), at)));
                let next = model.range(at..).next().map(|at| keys::record(region, *at));
                prop_assert_eq!(sweep.next(&key), next);
                let mut later = key.to_vec();
                later.push(0);
                let next = model.range(at..).find(|it| **it > at);
                prop_assert_eq!(sweep.next(&later), next.map(|at| keys::record(region, *at)));
            }
            let first = model.first().map(|at| keys::record(region, *at));
            prop_assert_eq!(&sweep.next(&[]), &first);
            prop_assert_eq!(sweep.next(&keys::lease(region, types::LeaseId(1))), first);
            prop_assert_eq!(sweep.next(&keys::lease(RegionId(8), types::LeaseId(1))), None);
        }
    }

    #[test]
    fn a_sweep_is_worth_it_when_half_of_the_bytes_are_dead() {
        let at = |revision| Position { revision: Revision(revision), sub: 0 };
        let mut ledger = Ledger::default();
        for revision in 0..10_000 {
            ledger.add(at(revision), 300);
        }
        ledger.add(at(10_000), 3_000_000);
        (0..5_000).for_each(|revision| ledger.mark(at(revision)));
        assert!(!ledger.is_worth_sweeping(), "a large one lives");
        ledger.mark(at(10_000));
        assert!(ledger.is_worth_sweeping());
        assert_eq!(ledger.take().count, 5_001);
        assert_eq!(
            (ledger.small_count, ledger.small_bytes, ledger.large_bytes),
            (5_000, 1_500_000, 0)
        );
        // What a crash has seen removed may be marked again.
        (0..9_000).for_each(|revision| ledger.mark(at(revision)));
        assert!(ledger.is_worth_sweeping() && ledger.take().count == 9_000);
        assert_eq!((ledger.small_count, ledger.small_bytes), (0, 0));
    }
}
