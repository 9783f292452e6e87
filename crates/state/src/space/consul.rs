//! Keys as Consul's clients change them: with flags, and with locks that sessions hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{KeyRange, ReadFailure, Reader};

use super::KeySpace;
use super::write::Change;
use crate::index::Head;
use crate::record::Record;
use crate::registry::{ArchivedKey, Behavior, KvCondition, KvWrite, Session};
use crate::response::KeyValue;

impl Change<'_> {
    /// Puts a key if its condition holds; answers whether it does. What would be as it is already is
    /// not written, so that nobody is woken for nothing. That a session is there is for the caller to
    /// know.
    pub(crate) fn put_kv(&mut self, write: &KvWrite) -> Result<bool, ReadFailure> {
        let before = self.space.newest_of(&write.key, self.reader)?;
        let Some(after) = granted(write, before.as_ref()) else { return Ok(false) };
        if before.as_ref() != Some(&after) {
            self.rewrite(after);
        }
        Ok(true)
    }

    /// Deletes a key if its modify index is this; answers whether it is gone then.
    pub(crate) fn delete_at(&mut self, key: &Bytes, index: u64) -> bool {
        let Some(head) = self.space.index.get_live(key) else { return true };
        let is_it = modify_index(&head) == index;
        if is_it {
            self.bury(key.clone(), head);
        }
        is_it
    }

    /// A session ended: lets go of the keys it held, or deletes them. Answers them.
    pub(crate) fn end_session(&mut self, session: &Session) -> Result<Vec<Bytes>, ReadFailure> {
        let keys = self.space.locks.held(session.id.as_bytes());
        for key in &keys {
            match session.behavior {
                Behavior::Delete => {
                    if let Some(head) = self.space.index.get_live(key) {
                        self.bury(key.clone(), head);
                    }
                }
                Behavior::Release => {
                    if let Some(before) = self.space.newest_of(key, self.reader)? {
                        self.rewrite(KeyValue { session: Bytes::new(), ..before });
                    }
                }
            }
        }
        Ok(keys)
    }

    /// Makes all keys what an archive says; what is so already is not written. A key that stays keeps what
    /// archives do not know of, its lease.
    pub(crate) fn become_archived(
        &mut self,
        mut archived: BTreeMap<Bytes, ArchivedKey>,
    ) -> Result<(), ReadFailure> {
        for (key, head) in self.doomed(&KeyRange::all()) {
            match archived.remove(&key) {
                None => self.bury(key, head),
                Some(wanted) => {
                    let before = self.space.newest_of(&key, self.reader)?.unwrap_or_default();
                    let after = of_archived(key, wanted, before.clone());
                    if after != before {
                        self.rewrite(after);
                    }
                }
            }
        }
        for (key, wanted) in archived {
            self.rewrite(of_archived(key, wanted, KeyValue::default()));
        }
        Ok(())
    }

    /// Writes what clients are to see; the revisions and the version follow from what was there.
    pub(super) fn rewrite(&mut self, after: KeyValue) {
        let spot = self.space.index.spot(&after.key);
        let head = self.space.index.head(spot);
        let live = head.filter(|head| !head.deleted);
        let record = Record {
            key: after.key,
            value: after.value,
            create_revision: live.map_or(self.revision, |head| head.create_revision),
            version: live.map_or(0, |head| head.version) + 1,
            lease: after.lease,
            flags: after.flags,
            lock_index: after.lock_index,
            session: after.session,
            deleted: false,
            reborn: head.is_some_and(|head| head.deleted || head.reborn),
            previous: head.map(|head| head.position),
        };
        self.write(spot, record, live);
    }
}

impl KeySpace {
    pub(super) fn newest_of(
        &self,
        key: &[u8],
        reader: &dyn Reader,
    ) -> Result<Option<KeyValue>, ReadFailure> {
        let Some(head) = self.index.get_live(key) else { return Ok(None) };
        let record = self.record(head.position, reader)?;
        Ok(record.into_key_value(head.position))
    }
}

fn of_archived(key: Bytes, wanted: ArchivedKey, before: KeyValue) -> KeyValue {
    let ArchivedKey { value, flags, lock_index, session } = wanted;
    KeyValue { key, value, flags, lock_index, session, ..before }
}

/// Consul's number of the version a key has.
pub(super) fn modify_index(head: &Head) -> u64 {
    head.position.revision.get().unsigned_abs()
}

/// What the key is then, but for its revisions; `None` if the condition does not hold.
pub(super) fn granted(write: &KvWrite, before: Option<&KeyValue>) -> Option<KeyValue> {
    let (lock_index, session) = locked(&write.condition, before)?;
    Some(KeyValue {
        key: write.key.clone(),
        value: write.value.clone(),
        flags: write.flags,
        lock_index,
        session,
        ..before.cloned().unwrap_or_default()
    })
}

/// The lock index and the holder the key has then; `None` if the condition does not hold.
fn locked(condition: &KvCondition, before: Option<&KeyValue>) -> Option<(u64, Bytes)> {
    let (lock_index, holder) =
        before.map_or((0, Bytes::new()), |it| (it.lock_index, it.session.clone()));
    match condition {
        KvCondition::Always => Some((lock_index, holder)),
        KvCondition::Index(index) => {
            let found = before.map_or(0, |it| it.mod_revision.get().unsigned_abs());
            (found == *index).then_some((lock_index, holder))
        }
        KvCondition::Acquire(session) if holder.is_empty() => {
            let session = Bytes::copy_from_slice(session.as_bytes());
            Some((lock_index + 1, session))
        }
        KvCondition::Acquire(session) => {
            (*holder == *session.as_bytes()).then_some((lock_index, holder))
        }
        KvCondition::Release(session) => {
            let holds = !holder.is_empty() && *holder == *session.as_bytes();
            holds.then_some((lock_index, Bytes::new()))
        }
    }
}
