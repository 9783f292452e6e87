//! Consul's transactions of several keys. Its clients match on the words they are refused with.

use bytes::Bytes;
use types::{ReadFailure, limits};

use super::answer::RegistryAnswer;
use super::kv::{KvCondition, KvOp, KvWrite, TxnError};
use super::machine::{Answer, Stage};
use super::model::Registry;
use crate::response::KeyValue;
use crate::space::Draft;

/// Bytes at most that a record has in an answer beside its texts.
const NUMBERS: usize = 80;

/// What is wrong with one operation.
type Refused = String;

/// Tries all operations, one on what the others before it did, also behind one that fails, so that all
/// errors are told at once; then writes, if none failed.
pub(super) fn carry_out(ops: &[KvOp], stage: Stage<'_>) -> Answer {
    if let Err(fault) = super::check::check_txn(ops) {
        return Ok(Err(fault));
    }
    let Stage { registry, space, reader, batch, events, .. } = stage;
    let mut attempt = Attempt {
        registry,
        draft: Draft::new(space, reader),
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
    let Attempt { draft, results, .. } = attempt;
    let drafted = draft.finish();
    space.change(reader, batch, events).write_draft(drafted);
    Ok(Ok(RegistryAnswer::TxnDone(results)))
}

struct Attempt<'a> {
    registry: &'a Registry,
    draft: Draft<'a>,
    results: Vec<KeyValue>,
    /// Bytes that may still be answered.
    left: usize,
    /// Keys that may still be looked at for trees.
    walk: usize,
}

impl Attempt<'_> {
    fn run(&mut self, op: &KvOp) -> Result<Result<(), Refused>, ReadFailure> {
        let draft = &mut self.draft;
        match op {
            KvOp::Put(write) => return self.put(write),
            KvOp::Get { key } => {
                let found = draft.get(key)?;
                let missing = || format!("key {} doesn't exist", quoted(key));
                return Ok(found.ok_or_else(missing).and_then(|kv| self.answer(kv)));
            }
            KvOp::GetOrEmpty { key } => {
                let empty = || KeyValue { key: key.clone(), ..KeyValue::default() };
                let found = draft.get(key)?.unwrap_or_else(empty);
                return Ok(self.answer(found));
            }
            KvOp::GetTree { .. } => {
                let Some(keys) = draft.keys(&op.range(), &mut self.walk) else {
                    return Ok(Err(too_many_keys()));
                };
                for key in keys {
                    let found = self.draft.get(&key)?;
                    if let Some(Err(what)) = found.map(|kv| self.answer(kv)) {
                        return Ok(Err(what));
                    }
                }
            }
            KvOp::CheckIndex { key, index } => {
                let found = draft.get(key)?;
                return Ok(has_index(key, *index, found).and_then(|kv| self.answer(bare(kv))));
            }
            KvOp::CheckSession { key, session } => {
                let found = draft.get(key)?;
                return Ok(is_held(key, session, found).and_then(|kv| self.answer(bare(kv))));
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
            if acquires && self.registry.session(session).value.is_none() {
                return Ok(Err(format!("invalid session {session:?}")));
            }
        }
        Ok(match self.draft.put(write)? {
            Some(kv) => self.answer(bare(kv)),
            None => Err(not_put(write)),
        })
    }

    fn answer(&mut self, kv: KeyValue) -> Result<(), Refused> {
        let bytes = kv.key.len() + kv.value.len() + kv.session.len() + NUMBERS;
        let Some(left) = self.left.checked_sub(bytes) else {
            let most = limits::REGISTRY_TXN_ANSWER_BYTES;
            return Err(format!("the answer has more than {most} bytes"));
        };
        self.left = left;
        self.results.push(kv);
        Ok(())
    }
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
