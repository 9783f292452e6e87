//! The key space as simply as it can be said: the whole state, once per revision.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::command::Command;
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, SortOrder,
    SortTarget, TxnOp, TxnRequest,
};
use state::response::{EventKind, KeyValue, RangeResponse, Response};
use types::{Code, LeaseId, Revision};

pub(crate) type Keys = BTreeMap<Bytes, KeyValue>;
pub(crate) type Events = Vec<(EventKind, KeyValue)>;
type Answer = Result<Response, Code>;

#[derive(Clone)]
pub(crate) struct Model {
    /// The keys after each revision; the last one is the newest, revision 1 has none.
    pub(crate) states: Vec<Keys>,
    pub(crate) events: Vec<Events>,
    pub(crate) leases: BTreeMap<LeaseId, i64>,
    pub(crate) compacted: Revision,
}

/// The writes of one revision.
struct Draft {
    keys: Keys,
    events: Events,
    revision: Revision,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            states: vec![Keys::new(); 2],
            events: vec![Events::new(); 2],
            leases: BTreeMap::new(),
            compacted: Revision(0),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision(self.states.len() as i64 - 1)
    }

    fn draft(&self) -> Draft {
        let keys = self.states.last().unwrap().clone();
        Draft { keys, events: Events::new(), revision: Revision(self.states.len() as i64) }
    }

    fn commit(&mut self, draft: Draft) {
        if !draft.events.is_empty() {
            self.states.push(draft.keys);
            self.events.push(draft.events);
        }
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Answer {
        let mut draft = self.draft();
        let answer = match command {
            Command::Put(put) => {
                self.check_put(put)?;
                draft.put(put)
            }
            Command::Delete(delete) => draft.delete(delete),
            Command::Txn(txn) => {
                self.check(txn, true)?;
                self.check(txn, false)?;
                self.run(txn, &mut draft)
            }
            Command::Compact { revision } if *revision <= self.compacted => {
                return Err(Code::Compacted);
            }
            Command::Compact { revision } if *revision > self.revision() => {
                return Err(Code::FutureRevision);
            }
            Command::Compact { revision } => {
                self.compacted = *revision;
                Response::Compacted
            }
            Command::LeaseGrant { id, .. } if self.leases.contains_key(id) => {
                return Err(Code::LeaseExists);
            }
            Command::LeaseGrant { id, ttl_seconds } => {
                self.leases.insert(*id, *ttl_seconds);
                Response::LeaseGranted { id: *id, ttl_seconds: *ttl_seconds }
            }
            Command::LeaseRevoke { id } => {
                self.revoke(*id)?;
                return Ok(Response::LeaseRevoked);
            }
            Command::LeaseExpire { ids } => {
                for id in ids {
                    let _ = self.revoke(*id);
                }
                return Ok(Response::Done);
            }
            _ => return Err(Code::Unsupported),
        };
        self.commit(draft);
        Ok(answer)
    }

    fn revoke(&mut self, id: LeaseId) -> Result<(), Code> {
        self.leases.remove(&id).ok_or(Code::LeaseNotFound)?;
        let mut draft = self.draft();
        let keys: Vec<_> = draft.keys.values().filter(|kv| kv.lease == id).cloned().collect();
        for kv in keys {
            draft.remove(&kv.key);
        }
        self.commit(draft);
        Ok(())
    }

    fn check_put(&self, put: &PutRequest) -> Result<(), Code> {
        if put.lease != LeaseId(0) && !self.leases.contains_key(&put.lease) {
            return Err(Code::LeaseNotFound);
        }
        let known = self.states.last().unwrap().contains_key(&put.key);
        if (put.ignore_value || put.ignore_lease) && !known {
            return Err(Code::KeyNotFound);
        }
        Ok(())
    }

    fn branch<'a>(&self, txn: &'a TxnRequest) -> (bool, &'a [TxnOp]) {
        let keys = self.states.last().unwrap();
        let succeeded = txn.compare.iter().all(|compare| holds(compare, keys));
        (succeeded, if succeeded { &txn.success } else { &txn.failure })
    }

    fn check(&self, txn: &TxnRequest, puts: bool) -> Result<(), Code> {
        self.branch(txn).1.iter().try_for_each(|operation| match operation {
            TxnOp::Put(put) if puts => self.check_put(put),
            TxnOp::Range(range) if !puts && range.revision > self.revision() => {
                Err(Code::FutureRevision)
            }
            TxnOp::Range(range)
                if !puts && range.revision.get() != 0 && range.revision < self.compacted =>
            {
                Err(Code::Compacted)
            }
            TxnOp::Txn(txn) => self.check(txn, puts),
            _ => Ok(()),
        })
    }

    fn run(&self, txn: &TxnRequest, draft: &mut Draft) -> Response {
        let (succeeded, operations) = self.branch(txn);
        let responses = operations
            .iter()
            .map(|operation| match operation {
                TxnOp::Put(put) => draft.put(put),
                TxnOp::Delete(delete) => draft.delete(delete),
                TxnOp::Txn(txn) => self.run(txn, draft),
                TxnOp::Range(range) if range.revision.get() == 0 => {
                    Response::Range(read(&draft.keys, range))
                }
                TxnOp::Range(range) => {
                    Response::Range(read(&self.states[range.revision.get() as usize], range))
                }
            })
            .collect();
        Response::Txn { succeeded, responses }
    }

    pub(crate) fn range(&self, range: &RangeRequest) -> Result<RangeResponse, Code> {
        if range.revision > self.revision() {
            return Err(Code::FutureRevision);
        }
        let revision = if range.revision.get() == 0 { self.revision() } else { range.revision };
        if revision < self.compacted {
            return Err(Code::Compacted);
        }
        Ok(read(&self.states[revision.get() as usize], range))
    }
}

impl Draft {
    fn put(&mut self, put: &PutRequest) -> Response {
        let before = self.keys.get(&put.key).cloned();
        let mut kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: self.revision,
            mod_revision: self.revision,
            version: 1,
            lease: put.lease,
            ..KeyValue::default()
        };
        if let Some(before) = &before {
            kv.create_revision = before.create_revision;
            kv.version = before.version + 1;
            if put.ignore_value {
                kv.value = before.value.clone();
            }
            if put.ignore_lease {
                kv.lease = before.lease;
            }
        }
        self.keys.insert(put.key.clone(), kv.clone());
        self.events.push((EventKind::Put, kv));
        Response::Put { prev: before.filter(|_| put.prev_kv) }
    }

    fn delete(&mut self, delete: &DeleteRequest) -> Response {
        let doomed: Vec<KeyValue> =
            self.keys.values().filter(|kv| delete.range.contains(&kv.key)).cloned().collect();
        for kv in &doomed {
            self.remove(&kv.key);
        }
        let deleted = doomed.len() as i64;
        Response::Delete { deleted, prev: if delete.prev_kv { doomed } else { Vec::new() } }
    }

    fn remove(&mut self, key: &Bytes) {
        self.keys.remove(key);
        let kv = KeyValue { key: key.clone(), mod_revision: self.revision, ..KeyValue::default() };
        self.events.push((EventKind::Delete, kv));
    }
}

fn holds(compare: &Compare, keys: &Keys) -> bool {
    let missing = KeyValue::default();
    let mut found: Vec<&KeyValue> =
        keys.values().filter(|kv| compare.range.contains(&kv.key)).collect();
    if found.is_empty() {
        if matches!(compare.target, CompareTarget::Value(_)) {
            return false;
        }
        found.push(&missing);
    }
    found.into_iter().all(|kv| {
        let order = match &compare.target {
            CompareTarget::Version(version) => kv.version.cmp(version),
            CompareTarget::CreateRevision(revision) => kv.create_revision.cmp(revision),
            CompareTarget::ModRevision(revision) => kv.mod_revision.cmp(revision),
            CompareTarget::Value(value) => kv.value.cmp(value),
            CompareTarget::Lease(lease) => kv.lease.cmp(lease),
        };
        match compare.result {
            CompareResult::Equal => order.is_eq(),
            CompareResult::Greater => order.is_gt(),
            CompareResult::Less => order.is_lt(),
            CompareResult::NotEqual => order.is_ne(),
        }
    })
}

fn read(keys: &Keys, range: &RangeRequest) -> RangeResponse {
    let all: Vec<KeyValue> =
        keys.values().filter(|kv| range.range.contains(&kv.key)).cloned().collect();
    let count = all.len() as i64;
    if range.count_only {
        return RangeResponse { kvs: Vec::new(), more: false, count };
    }
    let above = |min: Revision, it: Revision| min.get() == 0 || it >= min;
    let below = |max: Revision, it: Revision| max.get() == 0 || it <= max;
    let mut kvs: Vec<KeyValue> = all
        .into_iter()
        .filter(|kv| {
            above(range.min_mod_revision, kv.mod_revision)
                && below(range.max_mod_revision, kv.mod_revision)
                && above(range.min_create_revision, kv.create_revision)
                && below(range.max_create_revision, kv.create_revision)
        })
        .collect();
    let compare = |a: &KeyValue, b: &KeyValue| match range.sort_target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    match range.sort_order {
        SortOrder::Descend => kvs.sort_by(|a, b| compare(b, a)),
        SortOrder::None | SortOrder::Ascend => kvs.sort_by(compare),
    }
    let limit = if range.limit == 0 { usize::MAX } else { range.limit as usize };
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    if range.keys_only {
        kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
    }
    RangeResponse { kvs, more, count }
}
