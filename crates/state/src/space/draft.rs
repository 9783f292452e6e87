//! Changes of keys that are tried before any is made: all of them or none are written, at one revision.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{KeyRange, ReadFailure, Reader, Revision};

use super::KeySpace;
use super::consul::{granted, modify_index};
use super::write::Change;
use crate::registry::{Behavior, KvWrite, Session};
use crate::response::KeyValue;

/// What was tried so far.
pub(crate) struct Draft<'a> {
    space: &'a KeySpace,
    reader: &'a dyn Reader,
    /// The revision it all has once it is written.
    revision: Revision,
    touched: BTreeMap<Bytes, Touched>,
}

/// A key that would be another one.
struct Touched {
    /// What it would be.
    now: Option<KeyValue>,
    /// Whether it was there and was deleted in between: what it is then is a new one.
    buried: bool,
}

/// What is to be written of a draft.
pub(crate) struct Drafted(BTreeMap<Bytes, Touched>);

impl<'a> Draft<'a> {
    pub(crate) fn new(space: &'a KeySpace, reader: &'a dyn Reader) -> Self {
        let revision = Revision(space.newest().get() + 1);
        Self { space, reader, revision, touched: BTreeMap::new() }
    }

    pub(crate) fn get(&self, key: &Bytes) -> Result<Option<KeyValue>, ReadFailure> {
        match self.touched.get(key) {
            Some(touched) => Ok(touched.now.clone()),
            None => self.space.newest_of(key, self.reader),
        }
    }

    pub(crate) fn is_there(&self, key: &Bytes) -> bool {
        self.index(key).is_some()
    }

    /// The key's modify index.
    pub(crate) fn index(&self, key: &Bytes) -> Option<u64> {
        match self.touched.get(key) {
            Some(touched) => touched.now.as_ref().map(|kv| kv.mod_revision.get().unsigned_abs()),
            None => self.space.index.get_live(key).map(|head| modify_index(&head)),
        }
    }

    /// The keys of a range that are there, in order; `None` where more than are left of `walk` have to be
    /// looked at for that.
    pub(crate) fn keys(&self, range: &KeyRange, walk: &mut usize) -> Option<Vec<Bytes>> {
        let mut keys: BTreeSet<&[u8]> = BTreeSet::new();
        // Only live ones count: when the others are forgotten differs from replica to replica.
        for (key, _) in self.space.index.range(range).filter(|(_, head)| !head.deleted) {
            *walk = walk.checked_sub(1)?;
            if !self.touched.contains_key(key) {
                keys.insert(key);
            }
        }
        let touched = self.touched.iter().filter(|(_, touched)| touched.now.is_some());
        keys.extend(touched.map(|(key, _)| &**key).filter(|key| range.contains(key)));
        Some(keys.into_iter().map(Bytes::copy_from_slice).collect())
    }

    /// Answers what the key is then; `None` if the write's condition does not hold.
    pub(crate) fn put(&mut self, write: &KvWrite) -> Result<Option<KeyValue>, ReadFailure> {
        let before = self.get(&write.key)?;
        let Some(mut after) = granted(write, before.as_ref()) else { return Ok(None) };
        if before.as_ref() != Some(&after) {
            after.create_revision = before.map_or(self.revision, |before| before.create_revision);
            after = self.set(after);
        }
        Ok(Some(after))
    }

    /// Sets what is another version of its key.
    fn set(&mut self, mut after: KeyValue) -> KeyValue {
        after.mod_revision = self.revision;
        // Only the last of its versions in here is written.
        let again = self.touched.get(&after.key).is_some_and(|it| it.now.is_some());
        after.version += i64::from(!again);
        let key = after.key.clone();
        self.touch(&key, Some(after.clone()));
        after
    }

    /// A session ended: lets go of the keys it holds by now, or deletes them. Answers them.
    pub(crate) fn end_session(&mut self, session: &Session) -> Result<Vec<Bytes>, ReadFailure> {
        let id = session.id.as_bytes();
        let holds = |touched: &Touched| touched.now.as_ref().is_some_and(|kv| *kv.session == *id);
        let mut keys: BTreeSet<Bytes> = self.space.locks.held(id).into_iter().collect();
        keys.retain(|key| self.touched.get(key).is_none_or(holds));
        let touched = self.touched.iter().filter(|(_, touched)| holds(touched));
        keys.extend(touched.map(|(key, _)| key.clone()));
        for key in &keys {
            match session.behavior {
                Behavior::Delete => self.delete(key),
                Behavior::Release => {
                    if let Some(before) = self.get(key)? {
                        self.set(KeyValue { session: Bytes::new(), ..before });
                    }
                }
            }
        }
        Ok(keys.into_iter().collect())
    }

    pub(crate) fn delete(&mut self, key: &Bytes) {
        if self.is_there(key) {
            self.touch(key, None);
        }
    }

    fn touch(&mut self, key: &Bytes, now: Option<KeyValue>) {
        let ends = now.is_none() && self.space.index.get_live(key).is_some();
        let touched =
            self.touched.entry(key.clone()).or_insert(Touched { now: None, buried: false });
        touched.now = now;
        touched.buried |= ends;
    }

    pub(crate) fn finish(self) -> Drafted {
        Drafted(self.touched)
    }
}

impl Change<'_> {
    /// Writes what was tried on this very state.
    pub(crate) fn write_draft(&mut self, drafted: Drafted) {
        for (key, touched) in drafted.0 {
            if touched.buried
                && let Some(head) = self.space.index.get_live(&key)
            {
                self.bury(key, head);
            }
            if let Some(kv) = touched.now {
                self.rewrite(kv);
            }
        }
    }
}
