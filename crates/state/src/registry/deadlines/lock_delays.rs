//! Keys whose holder was lost a moment ago: for a while nobody gets them, so that the old holder has time
//! to notice (Consul's lock delay).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// Keys at most; those that would be free the soonest are free at once then.
const KEYS: usize = 65_536;

/// Until when keys are not to be locked. A leader asks it before it proposes to lock one; what was
/// applied tells it, on every replica, so that the next leader knows as well.
#[derive(Default, Debug)]
pub struct LockDelays {
    by_key: BTreeMap<Bytes, u64>,
    by_time: BTreeSet<(u64, Bytes)>,
}

impl LockDelays {
    /// Takes in which keys were let go, and for how many milliseconds nobody gets them.
    pub fn note(&mut self, now_ms: u64, delays: &[(Bytes, u64)]) {
        self.forget_passed(now_ms);
        for (key, delay_ms) in delays {
            let until = now_ms.saturating_add(*delay_ms);
            if let Some(before) = self.by_key.insert(key.clone(), until) {
                self.by_time.remove(&(before, key.clone()));
            }
            self.by_time.insert((until, key.clone()));
            if self.by_key.len() > KEYS
                && let Some((_, soonest)) = self.by_time.pop_first()
            {
                self.by_key.remove(&soonest);
            }
        }
    }

    /// Whether `key` is not to be locked yet.
    #[must_use]
    pub fn holds(&self, now_ms: u64, key: &[u8]) -> bool {
        self.by_key.get(key).is_some_and(|until| now_ms < *until)
    }

    /// How many keys are known; those whose time has passed go with the next [`Self::note`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn forget_passed(&mut self, now_ms: u64) {
        while let Some((until, _)) = self.by_time.first()
            && *until <= now_ms
        {
            if let Some((_, key)) = self.by_time.pop_first() {
                self.by_key.remove(&key);
            }
        }
    }
}
