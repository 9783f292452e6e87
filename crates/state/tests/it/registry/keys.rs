//! The model's keys: each command on a plain map, transactions one operation after the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::registry::{
    Behavior, KvCondition, KvOp, KvWrite, Name, RegistryAnswer, TxnError, TxnOp, TxnResult,
};
use state::response::KeyValue;
use types::{Code, LeaseId, Revision};

use super::model::Model;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Kv {
    pub(crate) value: Bytes,
    pub(crate) flags: u64,
    pub(crate) lock_index: u64,
    pub(crate) session: Bytes,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) version: i64,
}

impl Kv {
    pub(crate) fn of(kv: KeyValue) -> (Bytes, Self) {
        let KeyValue { key, value, flags, lock_index, session, version, .. } = kv;
        let (created, modified) = (kv.create_revision.get(), kv.mod_revision.get());
        (key, Self { value, flags, lock_index, session, created, modified, version })
    }

    fn shown(&self, key: &Bytes, with_value: bool) -> KeyValue {
        KeyValue {
            key: key.clone(),
            value: if with_value { self.value.clone() } else { Bytes::new() },
            create_revision: Revision(self.created),
            mod_revision: Revision(self.modified),
            version: self.version,
            lease: LeaseId(0),
            flags: self.flags,
            lock_index: self.lock_index,
            session: self.session.clone(),
        }
    }
}

/// As the session's id is kept with a key.
fn holder(id: &Name) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

impl Model {
    pub(super) fn let_go(&mut self, id: &Name, behavior: Behavior, now: i64) {
        let held: Vec<_> = self.kv.iter().filter(|(_, kv)| kv.session == *id.as_bytes()).collect();
        let held: Vec<Bytes> = held.into_iter().map(|(key, _)| key.clone()).collect();
        for key in held {
            if behavior == Behavior::Delete {
                self.kv.remove(&key);
            } else if let Some(kv) = self.kv.get_mut(&key) {
                (kv.session, kv.modified, kv.version) = (Bytes::new(), now, kv.version + 1);
            }
        }
    }

    pub(super) fn put(&mut self, write: &KvWrite) -> Result<RegistryAnswer, Code> {
        if let KvCondition::Acquire(id) = &write.condition
            && !self.sessions.contains_key(id)
        {
            return Err(Code::SessionUnknown);
        }
        let before = self.kv.clone();
        let granted = self.try_put(write, &before);
        self.revision += i64::from(self.kv != before);
        Ok(RegistryAnswer::Granted(granted))
    }

    /// Answers whether its condition holds; `before`: the keys before the command.
    fn try_put(&mut self, write: &KvWrite, before: &BTreeMap<Bytes, Kv>) -> bool {
        let now = self.revision + 1;
        let known = self.kv.get(&write.key).cloned();
        let mut kv = known.clone().unwrap_or_default();
        let granted = match &write.condition {
            KvCondition::Always => true,
            KvCondition::Index(index) => kv.modified as u64 == *index,
            KvCondition::Acquire(id) => {
                let is_free = kv.session.is_empty() && !id.is_empty();
                if is_free && self.sessions.contains_key(id) {
                    (kv.session, kv.lock_index) = (holder(id), kv.lock_index + 1);
                }
                kv.session == holder(id) && !id.is_empty()
            }
            KvCondition::Release(id) => {
                let holds = kv.session == holder(id) && !id.is_empty();
                kv.session = Bytes::new();
                holds
            }
        };
        if granted {
            (kv.value, kv.flags) = (write.value.clone(), write.flags);
            if known.as_ref() != Some(&kv) {
                kv.modified = now;
                kv.created = known.map_or(now, |known| known.created);
                // However often it is put by one command, that is one version.
                let old = before.get(&write.key).filter(|old| old.created == kv.created);
                kv.version = old.map_or(0, |old| old.version) + 1;
                self.kv.insert(write.key.clone(), kv);
            }
        }
        granted
    }

    pub(super) fn delete_at(&mut self, key: &Bytes, index: u64) -> RegistryAnswer {
        let found = self.kv.get(key).map(|kv| kv.modified as u64);
        if found == Some(index) {
            self.kv.remove(key);
            self.revision += 1;
        }
        RegistryAnswer::Granted(found.is_none_or(|found| found == index))
    }

    /// Of errors only the places are told. Answers also whether anything that is registered is another
    /// way.
    pub(super) fn txn(&mut self, ops: &[TxnOp]) -> (RegistryAnswer, bool) {
        let before = self.kv.clone();
        let registered = |model: &Self| {
            let Self { nodes, instances, checks, sessions, .. } = model;
            (nodes.clone(), instances.clone(), checks.clone(), sessions.clone())
        };
        let registered_before = registered(self);
        let (mut results, mut errors, mut made) = (Vec::new(), Vec::new(), 0);
        self.delays.clear();
        for (op, at) in ops.iter().zip(0..) {
            let ran = match op {
                TxnOp::Kv(op) => {
                    let kvs = self.run(op, &before);
                    kvs.map(|kvs| kvs.into_iter().map(TxnResult::Kv).collect())
                }
                TxnOp::Catalog(op) => self.run_catalog(op, &mut made, &before),
            };
            match ran {
                Some(found) => results.extend(found),
                None => errors.push(TxnError { op: at, what: String::new() }),
            }
        }
        if !errors.is_empty() {
            self.kv = before;
            self.delays.clear();
            (self.nodes, self.instances, self.checks, self.sessions) = registered_before;
            return (RegistryAnswer::TxnRefused(errors), false);
        }
        let changed = registered(self) != registered_before;
        self.revision += i64::from(self.kv != before || changed);
        (RegistryAnswer::TxnDone(results), changed)
    }

    fn run(&mut self, op: &KvOp, before: &BTreeMap<Bytes, Kv>) -> Option<Vec<KeyValue>> {
        let one = |key: &Bytes| self.kv.get(key);
        Some(match op {
            KvOp::Put(write) => {
                if !self.try_put(write, before) {
                    return None;
                }
                vec![self.kv[&write.key].shown(&write.key, false)]
            }
            KvOp::Get { key } => vec![one(key)?.shown(key, true)],
            KvOp::GetOrEmpty { key } => {
                vec![one(key).cloned().unwrap_or_default().shown(key, true)]
            }
            KvOp::GetTree { prefix } => {
                let below = self.kv.iter().filter(|(key, _)| key.starts_with(prefix));
                below.map(|(key, kv)| kv.shown(key, true)).collect()
            }
            KvOp::CheckIndex { key, index } => {
                let kv = one(key).filter(|kv| kv.modified as u64 == *index)?;
                vec![kv.shown(key, false)]
            }
            KvOp::CheckSession { key, session } => {
                let kv = one(key).filter(|kv| kv.session == holder(session))?;
                vec![kv.shown(key, false)]
            }
            KvOp::CheckNotExists { key } => {
                if one(key).is_some() {
                    return None;
                }
                Vec::new()
            }
            KvOp::Delete { key } => {
                self.kv.remove(key);
                Vec::new()
            }
            KvOp::DeleteTree { prefix } => {
                self.kv.retain(|key, _| !key.starts_with(prefix));
                Vec::new()
            }
            KvOp::DeleteIndex { key, index } => {
                if one(key).is_some_and(|kv| kv.modified as u64 != *index) {
                    return None;
                }
                self.kv.remove(key);
                Vec::new()
            }
        })
    }
}
