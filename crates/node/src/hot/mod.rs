//! What clients ask this node for most, by region: found out from one request in 64, shown, and bounded.
//! A request costs one addition; only where a key of its region is bounded it costs a look at the list.

mod bounds;
mod told;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use env::Moment;
use parking_lot::{Mutex, RwLock};
use region::{HotKey, HotKeys};
use state::command::Command;
use state::request::Query;
use types::{Fault, KeyRange};

use crate::shared::Shared;
use bounds::Bounds;
use told::Told;
pub(crate) use watch::watch;

/// A power of two: one of so many requests is looked at.
const SAMPLED: u64 = 64;
/// Seconds a region must be asked for too much until it is split: a burst ends by itself.
const LASTING: u32 = 3;

/// What clients ask of one region on this node.
#[derive(Default)]
pub(crate) struct Heat {
    asked: AtomicU64,
    /// Of these, what is no work of the region's leader: reads of a node's own copy, and what was refused.
    apart: AtomicU64,
    /// There while anything is left of what was asked.
    keys: Mutex<Option<Box<HotKeys>>>,
    is_bounded: AtomicBool,
    bounds: RwLock<Bounds>,
    /// Seconds it has been asked for too much.
    busy: AtomicU32,
    told: Mutex<Told>,
    /// The version of the region's shape that it was last fitted to.
    version: AtomicU64,
}

impl Heat {
    /// A client asks for something; `keys` says for what, and is rarely called. Answers whether it is
    /// one of the sample, which is looked at closely.
    ///
    /// # Errors
    /// `TooManyRequests` for a key that is asked for more often than the node was told to bear.
    pub(crate) fn ask(
        &self,
        shared: &Shared,
        keys: impl FnOnce() -> Option<KeyRange>,
    ) -> Result<bool, Fault> {
        let is_sampled = is_sampled(self.asked.fetch_add(1, Ordering::Relaxed));
        let is_bounded = self.is_bounded.load(Ordering::Relaxed);
        if !is_sampled && !is_bounded {
            return Ok(false);
        }
        let Some(keys) = keys() else { return Ok(is_sampled) };
        let second = second(shared);
        if is_sampled {
            self.note(second, &keys);
        }
        if is_bounded && let Err(fault) = self.bounds.read().admit(second, &keys) {
            self.set_apart();
            return Err(fault);
        }
        Ok(is_sampled)
    }

    /// What was asked last is no work of whoever leads the region.
    pub(crate) fn set_apart(&self) {
        self.apart.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, second: u64, keys: &KeyRange) {
        // Whoever finds it taken is one of many that are not looked at.
        if let Some(mut known) = self.keys.try_lock() {
            known.get_or_insert_default().note(second, keys, SAMPLED);
        }
    }

    /// Requests per second, and the keys that have the most of them, each with whether it is bounded.
    pub(crate) fn rates(&self, second: u64) -> Option<(u64, Vec<(HotKey, bool)>)> {
        let (all, keys) = self.keys.lock().as_mut()?.rates(second);
        let bounds = self.bounds.read();
        Some((all, keys.into_iter().map(|hot| (hot.clone(), bounds.holds(&hot.key))).collect()))
    }

    /// Requests per second that are work of the leader, as that of the meta region is told; asked for with
    /// every report.
    pub(crate) fn load(&self, now: Moment) -> u64 {
        let (asked, apart) = (&self.asked, &self.apart);
        let work = asked.load(Ordering::Relaxed).wrapping_sub(apart.load(Ordering::Relaxed));
        self.told.lock().look(work, now)
    }

    /// Once a second: what follows from what was asked. `most` is what the region may be asked for until
    /// it is to be split, `bound` what each key may be; 0 for anything.
    fn look(&self, second: u64, most: u64, bound: u64) {
        let mut known = self.keys.lock();
        let Some(keys) = known.as_mut() else { return };
        let (all, hot) = keys.rates(second);
        if keys.is_idle() {
            *known = None;
        }
        drop(known);
        if most > 0 && all > most {
            self.busy.fetch_add(1, Ordering::Relaxed);
        } else {
            self.busy.store(0, Ordering::Relaxed);
        }
        if bound > 0 {
            let mut bounds = self.bounds.write();
            bounds.renew(&hot, bound);
            self.is_bounded.store(!bounds.is_empty(), Ordering::Relaxed);
        }
    }

    /// Whether it has been asked for too much for a while.
    pub(crate) fn is_lasting(&self) -> bool {
        self.busy.load(Ordering::Relaxed) >= LASTING
    }

    /// Where to split a region of these keys so that it helps.
    pub(crate) fn split_at(&self, range: &KeyRange) -> Option<Bytes> {
        self.keys.lock().as_ref()?.split_at(range)
    }

    /// The region has this shape: if it was split, only what is left of it counts. What is still asked for
    /// too much need not show again that it lasts.
    pub(crate) fn fit(&self, version: u64, range: &KeyRange, most: u64) {
        if self.version.swap(version, Ordering::Relaxed) == version {
            return;
        }
        let mut known = self.keys.lock();
        let Some(keys) = known.as_mut() else { return };
        keys.fit(range);
        if keys.rate() <= most {
            self.busy.store(0, Ordering::Relaxed);
        }
    }
}

/// The second it is, by the clock that only goes forward.
pub(crate) fn second(shared: &Shared) -> u64 {
    shared.clock.now().0.as_secs()
}

/// What a question is about.
pub(crate) fn keys_of(query: &Query) -> Option<KeyRange> {
    match query {
        Query::Range(request) => Some(request.range.clone()),
        Query::Txn(request) => state::sharded::span(&Command::Txn(request.clone())),
    }
}

/// One of [`SAMPLED`], without a pattern that clients could be in step with (the finalizer of `SplitMix64`).
pub(crate) const fn is_sampled(number: u64) -> bool {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).is_multiple_of(SAMPLED)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLED, is_sampled};

    #[test]
    fn one_in_64_is_looked_at_whatever_step_clients_are_in() {
        for step in [1, 2, 3, 64, 128, 1_000] {
            let seen = (0..64_000_u64).filter(|number| is_sampled(number * step)).count() as u64;
            assert!((900..1_100).contains(&seen), "every {step}: {seen} of {}", 64_000 / SAMPLED);
        }
    }
}
