use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use region::HotKey;
use types::{Code, Fault, KeyRange};

/// Of a key that is told.
const SHOWN_BYTES: usize = 128;

/// The keys of a region that are asked for too often; no more than are counted.
#[derive(Default)]
pub(super) struct Bounds {
    keys: Vec<Bound>,
    most: u64,
}

struct Bound {
    key: Bytes,
    second: AtomicU64,
    /// Requests in that second.
    asked: AtomicU64,
}

impl Bounds {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn holds(&self, key: &Bytes) -> bool {
        self.keys.iter().any(|bound| bound.key == key)
    }

    /// Bounds keys that are asked for more than `most` times a second, refused requests among them, until
    /// it is less than three quarters of that.
    pub(super) fn renew(&mut self, hot: &[HotKey], most: u64) {
        self.most = most;
        let rate = |key: &Bytes| hot.iter().find(|hot| hot.key == key).map_or(0, |hot| hot.rate);
        self.keys.retain(|bound| rate(&bound.key) >= most - most / 4);
        for hot in hot.iter().filter(|hot| hot.rate > most) {
            if !self.holds(&hot.key) {
                let bound = Bound {
                    key: hot.key.clone(),
                    second: AtomicU64::new(0),
                    asked: AtomicU64::new(0),
                };
                self.keys.push(bound);
            }
        }
    }

    /// Lets a request for one key pass, or for several.
    ///
    /// # Errors
    /// `TooManyRequests` if it is one key, and was asked for often enough in this second.
    pub(super) fn admit(&self, second: u64, keys: &KeyRange) -> Result<(), Fault> {
        let mut bounds = self.keys.iter();
        let bound = bounds.find(|bound| bound.key == keys.start && keys.is_single());
        let Some(bound) = bound else { return Ok(()) };
        if bound.second.swap(second, Ordering::Relaxed) != second {
            bound.asked.store(0, Ordering::Relaxed);
        }
        if bound.asked.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(());
        }
        let shown = &bound.key[..bound.key.len().min(SHOWN_BYTES)];
        let detail = format!(
            "the key \"{}\" is asked for more than {} times a second on this node",
            shown.escape_ascii(),
            self.most
        );
        Err(Fault::new(Code::TooManyRequests, detail))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use bytes::Bytes;
    use region::HotKey;
    use types::{Code, KeyRange};

    use super::Bounds;

    fn hot(rate: u64) -> [HotKey; 2] {
        [HotKey { key: "a\n".into(), rate }, HotKey { key: "b".into(), rate: 99 }]
    }

    #[test]
    fn a_key_is_bounded_from_too_much_until_it_is_clearly_less() {
        let mut bounds = Bounds::default();
        let [a, b] = ["a\n", "b"].map(|key| KeyRange::single(&Bytes::from_static(key.as_bytes())));
        bounds.renew(&hot(100), 100);
        assert!(bounds.is_empty());
        bounds.renew(&hot(101), 100);
        let admitted = |bounds: &Bounds, second, keys| {
            (0..500).filter(|_| bounds.admit(second, keys).is_ok()).count()
        };
        assert_eq!([admitted(&bounds, 7, &a), admitted(&bounds, 7, &b)], [100, 500]);
        assert_eq!(admitted(&bounds, 8, &a), 100);
        let all = KeyRange::all();
        assert_eq!(admitted(&bounds, 8, &all), 500);
        let fault = bounds.admit(8, &a).unwrap_err();
        assert_eq!(fault.code, Code::TooManyRequests);
        assert!(fault.detail.contains("\"a\\n\" is asked for more than 100"), "{}", fault.detail);
        bounds.renew(&hot(75), 100);
        assert_eq!(admitted(&bounds, 9, &a), 100);
        bounds.renew(&hot(74), 100);
        assert_eq!(admitted(&bounds, 9, &a), 500);
    }
}
