//! What a region is asked for most, found out from a sample of the requests. Pure: who samples says what was
//! asked for, for how many requests it stands, and in which second.
//!
//! Counts are halved at the end of every second, so what is left at that moment is the rate per second,
//! half of it from the last one. The keys with the most are kept by the space-saving method: a key that
//! is new takes the place of the one with the least, and its count from there on as an error that it may
//! have. Only what a key has for certain is told, so many keys of little use make no hot one.

use std::collections::VecDeque;

use bytes::Bytes;
use types::KeyRange;

/// Keys that are counted.
pub const HOT_KEYS: usize = 64;
/// Keys asked for last, that a split is found by.
const RECENT: usize = 128;
/// So many of them must be the region's own for that.
const ENOUGH: usize = 32;
/// A longer key is counted among the requests and remembered by nobody.
const KEY_BYTES: usize = 1_024;

/// The requests of one region.
#[derive(Clone, Debug, Default)]
pub struct HotKeys {
    second: u64,
    all: Count,
    keys: Vec<Counted>,
    recent: VecDeque<Bytes>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    now: u64,
    /// What it was at the end of the last second.
    rate: u64,
}

#[derive(Clone, Debug)]
struct Counted {
    key: Bytes,
    count: Count,
    /// How much of the count may be others'.
    error: u64,
    /// The same at the end of the last second.
    error_then: u64,
}

/// A key and what it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HotKey {
    /// The key.
    pub key: Bytes,
    /// Requests per second, at least.
    pub rate: u64,
}

impl HotKeys {
    /// Somebody asked for keys, and that stands for so many requests. `second` does not go back.
    pub fn note(&mut self, second: u64, asked: &KeyRange, requests: u64) {
        self.pass(second);
        self.all.now = self.all.now.saturating_add(requests);
        if asked.start.len() > KEY_BYTES {
            return;
        }
        // A copy: what comes over the wire is part of a larger buffer.
        let key = Bytes::copy_from_slice(&asked.start);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(key.clone());
        if asked.is_single() {
            self.count(key, requests);
        }
    }

    fn count(&mut self, key: Bytes, requests: u64) {
        if let Some(known) = self.keys.iter_mut().find(|known| known.key == key) {
            known.count.now = known.count.now.saturating_add(requests);
            return;
        }
        let new = |error: u64| Counted {
            key,
            count: Count { now: error.saturating_add(requests), rate: 0 },
            error,
            error_then: 0,
        };
        if self.keys.len() < HOT_KEYS {
            self.keys.push(new(0));
        } else if let Some(least) = self.keys.iter_mut().min_by_key(|known| known.count.now) {
            *least = new(least.count.now);
        }
    }

    /// Requests per second, and the keys that have the most of them, the hottest first.
    pub fn rates(&mut self, second: u64) -> (u64, Vec<HotKey>) {
        self.pass(second);
        let rate = |known: &Counted| known.count.rate.saturating_sub(known.error_then);
        let mut keys: Vec<HotKey> = self
            .keys
            .iter()
            .map(|known| HotKey { key: known.key.clone(), rate: rate(known) })
            .filter(|hot| hot.rate > 0)
            .collect();
        keys.sort_by(|a, b| b.rate.cmp(&a.rate).then_with(|| a.key.cmp(&b.key)));
        (self.all.rate, keys)
    }

    /// Whether nothing is left of what was asked for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.all.now == 0 && self.all.rate == 0
    }

    /// Where a region of these keys would be split to share what it is asked for: so that a key that
    /// has half of it is alone, else where it is halved. `None` where nothing is known to help.
    #[must_use]
    pub fn split_at(&self, range: &KeyRange) -> Option<Bytes> {
        let own = self.keys.iter().filter(|known| range.contains(&known.key));
        let hottest = own.max_by_key(|known| known.count.rate.saturating_sub(known.error_then));
        if let Some(hottest) = hottest {
            let rate = hottest.count.rate.saturating_sub(hottest.error_then);
            if rate > 0 && rate >= self.all.rate / 2 {
                return alone(&hottest.key, range);
            }
        }
        let mut recent: Vec<&Bytes> =
            self.recent.iter().filter(|key| range.contains(key)).collect();
        recent.sort_unstable();
        let all = recent.len();
        let is_border = |at: &usize| recent[*at] != recent[at - 1] && *recent[*at] > range.start;
        let middle = (1..all).filter(is_border).min_by_key(|at| at.abs_diff(all - at))?;
        // Else it would be asked for as much as before.
        let is_shared = middle.min(all - middle) * 8 >= all;
        (all >= ENOUGH && is_shared).then(|| recent[middle].clone())
    }

    /// The region has these keys only: what was asked for of others is not asked of it any more.
    pub fn fit(&mut self, range: &KeyRange) {
        let all = self.recent.len() as u64;
        self.recent.retain(|key| range.contains(key));
        self.keys.retain(|known| range.contains(&known.key));
        let own = self.recent.len() as u64;
        for count in [&mut self.all.now, &mut self.all.rate] {
            *count = count.saturating_mul(own) / all.max(1);
        }
    }

    /// Requests per second at the end of the last second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.all.rate
    }

    fn pass(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second);
        if passed == 0 {
            return;
        }
        self.second = second;
        let left =
            |count: u64| count.checked_shr(u32::try_from(passed).unwrap_or(u32::MAX)).unwrap_or(0);
        self.all.now = left(self.all.now);
        self.all.rate = self.all.now;
        self.keys.retain_mut(|known| {
            known.count.now = left(known.count.now);
            known.error = left(known.error);
            (known.count.rate, known.error_then) = (known.count.now, known.error);
            known.count.now > 0
        });
        if self.is_idle() {
            self.recent.clear();
        }
    }
}

/// The border that is missing between the key and its neighbours, the one behind it first: then the region
/// keeps the key, and what is known of it. `None` if it is alone.
fn alone(key: &Bytes, range: &KeyRange) -> Option<Bytes> {
    let behind = KeyRange::single(key).end.filter(|next| range.contains(next));
    behind.or_else(|| (*key > range.start).then(|| key.clone()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use bytes::Bytes;
    use types::KeyRange;

    use super::{HOT_KEYS, HotKeys};

    fn key(number: u64) -> Bytes {
        format!("k{number:06}").into()
    }

    fn dice(state: &mut u64) -> u64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    /// A second of 6,400 requests, of which one in 64 is seen; `pick` says for which key.
    fn second(hot: &mut HotKeys, second: u64, mut pick: impl FnMut(u64) -> u64) {
        for request in 0..100 {
            hot.note(second, &KeyRange::single(&key(pick(request))), 64);
        }
    }

    fn near(value: u64, wanted: u64) -> bool {
        value.abs_diff(wanted) <= wanted / 10
    }

    #[test]
    fn a_hot_key_among_ten_thousand_is_found_with_its_rate_and_forgotten() {
        let (mut hot, mut state) = (HotKeys::default(), 1);
        for at in 0..6 {
            second(&mut hot, at, |request| match request % 4 {
                0 => 7,
                _ => 1_000 + dice(&mut state) % 10_000,
            });
        }
        let (all, keys) = hot.rates(6);
        assert!(near(all, 6_400), "{all}");
        assert_eq!(keys[0].key, key(7));
        assert!(near(keys[0].rate, 1_600), "{}", keys[0].rate);
        assert!(keys.len() <= HOT_KEYS);
        assert!(keys[1..].iter().all(|other| other.rate < 400), "{keys:?}");
        // The load ends.
        let (all, keys) = hot.rates(9);
        assert!(near(all, 800) && near(keys[0].rate, 200), "{all} {keys:?}");
        assert_eq!(hot.rates(40), (0, vec![]));
        assert!(hot.is_idle());
    }

    #[test]
    fn many_keys_of_little_use_make_no_hot_one() {
        let (mut hot, mut state) = (HotKeys::default(), 5);
        for at in 0..20 {
            second(&mut hot, at, |_| dice(&mut state) % 100_000);
        }
        let (all, keys) = hot.rates(20);
        assert!(near(all, 6_400));
        assert!(keys.iter().all(|hot| hot.rate < all / 20), "{keys:?}");
    }

    #[test]
    fn a_region_is_split_where_its_load_is_halved() {
        let (mut hot, mut state) = (HotKeys::default(), 3);
        // Three quarters of the keys are asked for next to never.
        for at in 0..5 {
            second(&mut hot, at, |_| 7_500 + dice(&mut state) % 2_500);
        }
        let at = hot.split_at(&KeyRange::all()).unwrap();
        assert!((key(8_000)..key(9_500)).contains(&at), "{at:?}");
        // Nothing is known of what the region does not own.
        let other = KeyRange { start: Bytes::new(), end: Some(key(7_000)) };
        assert_eq!(hot.split_at(&other), None);
        assert_eq!(HotKeys::default().split_at(&KeyRange::all()), None);
    }

    #[test]
    fn a_key_with_most_of_the_load_gets_a_region_of_its_own_and_no_more() {
        let (mut hot, mut state) = (HotKeys::default(), 9);
        for at in 0..5 {
            second(&mut hot, at, |request| match request % 5 {
                0 => dice(&mut state) % 10_000,
                _ => 5_000,
            });
        }
        hot.rates(5);
        let own = KeyRange::single(&key(5_000));
        let behind = hot.split_at(&KeyRange::all());
        assert_eq!(behind, own.end);
        // What is known of the key stays with it; the second border is not waited for.
        let left = KeyRange { start: Bytes::new(), end: behind };
        let all = hot.rate();
        hot.fit(&left);
        assert!(hot.rate() < all && hot.rate() > all * 8 / 10, "{} of {all}", hot.rate());
        assert_eq!(hot.split_at(&left), Some(key(5_000)));
        assert_eq!(hot.split_at(&own), None);
        // Without it there is little left, and no reason to go on.
        hot.fit(&KeyRange { start: Bytes::new(), end: Some(key(5_000)) });
        assert!(hot.rate() < all / 5 && hot.rates(5).1.iter().all(|hot| hot.key < key(5_000)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut hot = HotKeys::default();
        let huge = Bytes::from(vec![b'x'; 1 << 20]);
        hot.note(1, &KeyRange::single(&huge), 64);
        for number in 0..100_000 {
            hot.note(1, &KeyRange::single(&key(number)), 64);
            hot.note(1, &KeyRange { start: key(number), end: None }, 64);
        }
        assert!(hot.keys.len() == HOT_KEYS && hot.recent.len() == super::RECENT);
        assert!(hot.keys.iter().all(|known| known.key.len() < 100));
        assert_eq!(hot.rates(2).0, 64 * 200_001 / 2);
    }
}
