//! Consul's transactions, of keys and of what is registered. Its clients match on the words they are
//! refused with.

mod catalog;

use bytes::Bytes;
use types::{ReadFailure, Revision, limits};

use super::answer::{Changes, RegistryAnswer};
use super::apply::Edit;
use super::codec;
use super::kv::{KvCondition, KvOp, KvWrite};
use super::machine::{Answer, Stage};
use super::operation::{TxnError, TxnOp, TxnResult};
use crate::codec::primitives::Writer;
use crate::response::KeyValue;
use crate::space::Draft;
use catalog::Trial;
pub(in crate::registry) use catalog::Tried;

/// Bytes at most that a record has in an answer beside its texts.
const NUMBERS: usize = 80;

/// What is wrong with one operation.
type Refused = String;

/// Tries all operations, one on what the others before it did, also behind one that fails, so that all
/// errors are told at once; then writes, if none failed.
pub(super) fn carry_out(ops: &[TxnOp], stage: Stage<'_>, changes: &mut Changes) -> Answer {
    if let Err(fault) = super::check::check_txn(ops) {
        return Ok(Err(fault));
    }
    let Stage { region, registry, space, reader, batch, events } = stage;
    let revision = Revision(space.newest().get() + 1);
    let mut attempt = Attempt {
        catalog: Trial::new(registry, revision),
        draft: Draft::new(space, reader),
        delays: Vec::new(),
        results: Vec::new(),
        left: limits::REGISTRY_TXN_ANSWER_BYTES,
        walk: limits::REGISTRY_TXN_KEYS,
    };
    let mut errors = Vec::new();
    for (op, at) in ops.iter().zip(0..) {
        if let Err(what) = attempt.run(op)? {
            errors.push(TxnError { op: at, what });
        }
    }
    if !errors.is_empty() {
        return Ok(Ok(RegistryAnswer::TxnRefused(errors)));
    }
    let Attempt { catalog, draft, delays, results, .. } = attempt;
    let (tried, drafted) = (catalog.tried, draft.finish());
    let mut edit = Edit::new(registry, region, revision, batch);
    edit.carry_out_tried(tried);
    // What ended sessions held is let go of by the draft already.
    let (told, _, changed) = edit.finish();
    *changes = Changes { lock_delays: delays, ..told };
    let mut keys = if changed {
        space.change_at(revision, reader, batch, events)
    } else {
        space.change(reader, batch, events)
    };
    keys.write_draft(drafted);
    Ok(Ok(RegistryAnswer::TxnDone(results)))
}

struct Attempt<'a> {
    catalog: Trial<'a>,
    draft: Draft<'a>,
    /// Keys that nobody may lock for so many milliseconds.
    delays: Vec<(Bytes, u64)>,
    results: Vec<TxnResult>,
    /// Bytes that may still be answered.
    left: usize,
    /// Keys that may still be looked at for trees, and things on nodes to be deleted.
    walk: usize,
}

impl Attempt<'_> {
    fn run(&mut self, op: &TxnOp) -> Result<Result<(), Refused>, ReadFailure> {
        let op = match op {
            TxnOp::Kv(op) => return self.run_kv(op),
            TxnOp::Catalog(op) => op,
        };
        let found = match self.catalog.run(op, &mut self.walk) {
            Ok(found) => found,
            Err(what) => return Ok(Err(what)),
        };
        for session in self.catalog.just_ended.drain(..) {
            let held = self.draft.end_session(&session)?;
            if session.lock_delay_ms > 0 {
                self.delays.extend(held.into_iter().map(|key| (key, session.lock_delay_ms)));
            }
        }
        Ok(found.map_or(Ok(()), |found| self.answer(found)))
    }

    fn run_kv(&mut self, op: &KvOp) -> Result<Result<(), Refused>, ReadFailure> {
        let draft = &mut self.draft;
        match op {
            KvOp::Put(write) => return self.put(write),
            KvOp::Get { key } => {
                let found = draft.get(key)?;
                let missing = || format!("key {} doesn't exist", quoted(key));
                return Ok(found.ok_or_else(missing).and_then(|kv| self.answer(TxnResult::Kv(kv))));
            }
            KvOp::GetOrEmpty { key } => {
                let empty = || KeyValue { key: key.clone(), ..KeyValue::default() };
                let found = draft.get(key)?.unwrap_or_else(empty);
                return Ok(self.answer(TxnResult::Kv(found)));
            }
            KvOp::GetTree { .. } => {
                let Some(keys) = draft.keys(&op.range(), &mut self.walk) else {
                    return Ok(Err(too_many_keys()));
                };
                for key in keys {
                    let found = self.draft.get(&key)?;
                    if let Some(Err(what)) = found.map(|kv| self.answer(TxnResult::Kv(kv))) {
                        return Ok(Err(what));
                    }
                }
            }
            KvOp::CheckIndex { key, index } => {
                let found = draft.get(key)?;
                return Ok(has_index(key, *index, found)
                    .and_then(|kv| self.answer(TxnResult::Kv(bare(kv)))));
            }
            KvOp::CheckSession { key, session } => {
                let found = draft.get(key)?;
                return Ok(is_held(key, session, found)
                    .and_then(|kv| self.answer(TxnResult::Kv(bare(kv)))));
            }
            KvOp::CheckNotExists { key } => {
                if draft.is_there(key) {
                    return Ok(Err(format!("key {} exists", quoted(key))));
                }
            }
            KvOp::Delete { key } => draft.delete(key),
            KvOp::DeleteTree { .. } => {
                let Some(keys) = draft.keys(&op.range(), &mut self.walk) else {
                    return Ok(Err(too_many_keys()));
                };
                keys.iter().for_each(|key| draft.delete(key));
            }
            KvOp::DeleteIndex { key, index } => {
                if draft.index(key).is_some_and(|found| found != *index) {
                    return Ok(Err(format!(
                        "failed to delete key {}, index is stale",
                        quoted(key)
                    )));
                }
                draft.delete(key);
            }
        }
        Ok(Ok(()))
    }

    fn put(&mut self, write: &KvWrite) -> Result<Result<(), Refused>, ReadFailure> {
        if let KvCondition::Acquire(session) | KvCondition::Release(session) = &write.condition {
            if session.is_empty() {
                return Ok(Err("missing session".to_owned()));
            }
            let acquires = matches!(write.condition, KvCondition::Acquire(_));
            if acquires && !self.catalog.has_session(session) {
                return Ok(Err(format!("invalid session {session:?}")));
            }
        }
        Ok(match self.draft.put(write)? {
            Some(kv) => self.answer(TxnResult::Kv(bare(kv))),
            None => Err(not_put(write)),
        })
    }

    fn answer(&mut self, result: TxnResult) -> Result<(), Refused> {
        let Some(left) = self.left.checked_sub(bytes_of(&result)) else {
            let most = limits::REGISTRY_TXN_ANSWER_BYTES;
            return Err(format!("the answer has more than {most} bytes"));
        };
        self.left = left;
        self.results.push(result);
        Ok(())
    }
}

fn bytes_of(result: &TxnResult) -> usize {
    let mut out = Writer::default();
    match result {
        TxnResult::Kv(kv) => {
            return kv.key.len() + kv.value.len() + kv.session.len() + NUMBERS;
        }
        TxnResult::Node(node) => codec::put_node(&mut out, node),
        TxnResult::Instance(instance) => codec::put_instance(&mut out, instance),
        TxnResult::Check(named) => {
            codec::put_check(&mut out, &named.check);
            if let Some(instance) = &named.instance {
                codec::put_instance(&mut out, instance);
            }
        }
    }
    out.finish().len()
}

fn too_many_keys() -> Refused {
    let most = limits::REGISTRY_TXN_KEYS;
    format!("the trees of the transaction have more than {most} keys")
}

fn bare(kv: KeyValue) -> KeyValue {
    KeyValue { value: Bytes::new(), ..kv }
}

fn not_put(write: &KvWrite) -> Refused {
    let key = quoted(&write.key);
    match write.condition {
        KvCondition::Always | KvCondition::Index(_) => {
            format!("failed to set key {key}, index is stale")
        }
        KvCondition::Acquire(_) => format!("failed to lock key {key}, lock is already held"),
        KvCondition::Release(_) => {
            format!("failed to unlock key {key}, lock isn't held, or is held by another session")
        }
    }
}

fn has_index(key: &Bytes, index: u64, found: Option<KeyValue>) -> Result<KeyValue, Refused> {
    let key = quoted(key);
    let Some(kv) = found else {
        return Err(format!("failed to check index, key {key} doesn't exist"));
    };
    let modified = kv.mod_revision.get().unsigned_abs();
    if modified != index {
        let what = format!("current modify index {modified} != {index}");
        return Err(format!("failed index check for key {key}, {what}"));
    }
    Ok(kv)
}

fn is_held(key: &Bytes, session: &str, found: Option<KeyValue>) -> Result<KeyValue, Refused> {
    let key = quoted(key);
    let Some(kv) = found else {
        return Err(format!("failed to check session, key {key} doesn't exist"));
    };
    if *kv.session != *session.as_bytes() {
        let what = format!("current session {} != {session:?}", quoted(&kv.session));
        return Err(format!("failed session check for key {key}, {what}"));
    }
    Ok(kv)
}

fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}
