//! Which session of the registry holds which key.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// The keys that are held. Rebuilt from the records, which say by whom.
#[derive(Default)]
pub(super) struct Locks {
    holders: BTreeMap<Bytes, Bytes>,
    held: BTreeMap<Bytes, BTreeSet<Bytes>>,
}

impl Locks {
    /// `session` holds `key` now; nobody does if it is empty.
    pub(super) fn set(&mut self, key: &[u8], session: &[u8]) {
        if self.holders.is_empty() && session.is_empty() {
            return;
        }
        let known = self.holders.get(key);
        if known.map_or(&[][..], |known| known) == session {
            return;
        }
        // Copies: what came may be a slice of a whole log entry.
        let (key, session) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(session));
        if let Some(before) = self.holders.remove(&key)
            && let Some(keys) = self.held.get_mut(&before)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.held.remove(&before);
            }
        }
        if !session.is_empty() {
            self.holders.insert(key.clone(), session.clone());
            self.held.entry(session).or_default().insert(key);
        }
    }

    /// The keys `session` holds, in order.
    pub(super) fn held(&self, session: &[u8]) -> Vec<Bytes> {
        self.held.get(session).into_iter().flatten().cloned().collect()
    }
}
