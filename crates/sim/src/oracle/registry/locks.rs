//! No two sessions hold one key, and nobody is let to a key before its delay is over.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::registry::Name;

use super::sessions::Sessions;
use super::{Fresh, at_least};

/// Who holds which key, as the holders know; and since when and until when keys are not to be had.
#[derive(Default)]
pub(crate) struct Locks {
    holders: BTreeMap<Bytes, Name>,
    delayed: BTreeMap<Bytes, (u64, u64)>,
}

impl Locks {
    pub(crate) fn applied(&mut self, at: &Fresh<'_>) {
        for (key, delay) in &at.effects.registry.lock_delays {
            self.delayed.insert(key.clone(), (at.now, at.now + at_least(*delay)));
        }
    }

    /// A session was told that it holds a key now.
    pub(crate) fn acquired(
        &mut self,
        sessions: &Sessions,
        key: &Bytes,
        session: &Name,
        now: u64,
    ) -> Result<(), String> {
        // The answer may be old: whether it holds it still, only its time tells.
        if sessions.until(session) <= now {
            return Ok(());
        }
        match self.holders.insert(key.clone(), session.clone()) {
            Some(other) if other != *session && sessions.until(&other) > now => {
                Err(format!("{other} and {session} both hold {key:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A session is about to let go a key, or all of its keys.
    pub(crate) fn let_go(&mut self, session: &Name, key: Option<&Bytes>) {
        self.holders.retain(|held, by| by != session || key.is_some_and(|key| key != held));
    }

    /// Somebody who asked at `from` was told at `now` that a key may be locked, by a node that had seen
    /// every entry applied since `since`.
    pub(crate) fn said_free(
        &self,
        key: &Bytes,
        (from, now): (u64, u64),
        since: u64,
    ) -> Result<(), String> {
        match self.delayed.get(key) {
            Some((let_go, until)) if since < *let_go && *let_go < from && now < *until => {
                Err(format!(
                    "{key:?} was let go at {let_go}, is said to be free at {now}, not before {until}"
                ))
            }
            _ => Ok(()),
        }
    }
}
