//! Changing a region's keys: what one command writes at one revision.

use bytes::Bytes;
use types::{Batch, Code, Fault, ReadFailure, Reader, Revision};

use super::{KEY_BYTES, Lens, Shape, Sharded, Unwritten, record, txn};
use crate::command::Command;
use crate::error::FetchError;
use crate::keys;
use crate::request::{DeleteRequest, PutRequest};
use crate::response::{Event, EventKind, KeyValue, Position, Response};

/// Where a command is carried out.
pub(crate) struct Stage<'a> {
    pub(crate) reader: &'a dyn Reader,
    pub(crate) batch: &'a mut Batch,
    pub(crate) events: &'a mut Vec<Event>,
}

/// The writes of one revision. The revision comes about with the first of them.
pub(super) struct Writing<'a> {
    shape: &'a mut Shape,
    unwritten: &'a mut Unwritten,
    stage: Stage<'a>,
    revision: Revision,
    writes: u32,
}

impl Sharded {
    /// Carries out a command whose keys are the region's.
    pub(crate) fn apply(
        &mut self,
        command: &Command,
        stage: Stage<'_>,
    ) -> Result<Result<Response, Fault>, ReadFailure> {
        let Some(shape) = &mut self.shape else {
            return Ok(Err(Fault::new(Code::RegionNotFound, "the region has no state here yet")));
        };
        let revision = Revision(self.revision.get() + 1);
        let unwritten = &mut self.unwritten;
        let mut writing = Writing { shape, unwritten, stage, revision, writes: 0 };
        let result = writing.carry_out(command, self.revision);
        if writing.writes > 0 {
            self.revision = revision;
        }
        match result {
            Ok(response) => Ok(Ok(response)),
            Err(FetchError::Fault(fault)) => Ok(Err(fault)),
            Err(FetchError::Read(failure)) => Err(failure),
        }
    }
}

impl Writing<'_> {
    fn carry_out(&mut self, command: &Command, newest: Revision) -> Result<Response, FetchError> {
        match command {
            Command::Put(put) => {
                check_put(put, &self.lens())?;
                Ok(self.put(put)?)
            }
            Command::Delete(delete) => Ok(self.delete(delete)?),
            Command::Txn(request) => {
                let decided = txn::decide(request, &self.lens())?;
                decided.check(&self.lens(), newest)?;
                Ok(decided.run(self)?)
            }
            Command::Limited { command, .. } => self.carry_out(command, newest),
            _ => Err(unsupported("this").into()),
        }
    }

    pub(super) fn lens(&self) -> Lens<'_> {
        Lens {
            keyspace: self.shape.keyspace,
            reader: self.stage.reader,
            unwritten: Some(self.unwritten),
        }
    }

    /// What a put can be refused for was looked at.
    pub(super) fn put(&mut self, put: &PutRequest) -> Result<Response, ReadFailure> {
        let at = keys::data(self.shape.keyspace, &put.key);
        let before = self.lens().get_at(&at, &put.key)?;
        let kept = if put.ignore_value { before.as_ref() } else { None };
        let kv = KeyValue {
            key: put.key.clone(),
            value: kept.map_or(&put.value, |kept| &kept.value).clone(),
            create_revision: before.as_ref().map_or(self.revision, |kv| kv.create_revision),
            mod_revision: self.revision,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            ..KeyValue::default()
        };
        self.count_out(before.as_ref());
        self.shape.keys += 1;
        self.shape.bytes += size(&kv);
        self.write(at, Some(record::encode(&kv)));
        self.tell(EventKind::Put, kv);
        Ok(Response::Put { prev: before.filter(|_| put.prev_kv) })
    }

    pub(super) fn delete(&mut self, delete: &DeleteRequest) -> Result<Response, ReadFailure> {
        let doomed = txn::doomed(&delete.range, &self.lens())?;
        for kv in &doomed {
            self.count_out(Some(kv));
            self.write(keys::data(self.shape.keyspace, &kv.key), None);
            let (key, mod_revision) = (kv.key.clone(), self.revision);
            let gone = KeyValue { key, mod_revision, ..KeyValue::default() };
            self.tell(EventKind::Delete, gone);
        }
        let deleted = i64::try_from(doomed.len()).unwrap_or(i64::MAX);
        Ok(Response::Delete { deleted, prev: if delete.prev_kv { doomed } else { Vec::new() } })
    }

    fn count_out(&mut self, kv: Option<&KeyValue>) {
        // What a split took along was measured, not counted: there may be less left than there is.
        let Some(kv) = kv else { return };
        self.shape.keys = self.shape.keys.saturating_sub(1);
        self.shape.bytes = self.shape.bytes.saturating_sub(size(kv));
    }

    fn write(&mut self, at: Bytes, value: Option<Bytes>) {
        match &value {
            Some(value) => self.stage.batch.put(at.clone(), value.clone()),
            None => self.stage.batch.delete(at.clone()),
        }
        self.unwritten.insert(at, value);
    }

    /// There is no history to find a version in by its position; the version before is in none.
    fn tell(&mut self, kind: EventKind, kv: KeyValue) {
        let position = Position { revision: self.revision, sub: self.writes };
        self.writes += 1;
        self.stage.events.push(Event { kind, kv, position, previous: None });
    }
}

fn size(kv: &KeyValue) -> u64 {
    (kv.key.len() + kv.value.len()) as u64
}

/// What a put can be refused for.
pub(super) fn check_put(put: &PutRequest, lens: &Lens<'_>) -> Result<(), FetchError> {
    if put.lease.get() != 0 {
        return Err(unsupported("a lease").into());
    }
    if put.key.len() > KEY_BYTES {
        let detail = format!("a key of a sharded keyspace has at most {KEY_BYTES} bytes");
        return Err(Fault::new(Code::InvalidArgument, detail).into());
    }
    if (put.ignore_value || put.ignore_lease) && lens.get(&put.key)?.is_none() {
        return Err(Fault::from(Code::KeyNotFound).into());
    }
    Ok(())
}

/// What a sharded keyspace does not have.
pub(super) fn unsupported(what: &str) -> Fault {
    let detail = format!(
        "a sharded keyspace does not have {what}: it has keys and values without history and leases, and \
         is watched region by region"
    );
    Fault::new(Code::Unsupported, detail)
}

/// What whoever wants something else of a sharded keyspace is told.
#[must_use]
pub fn ordered_only() -> Fault {
    unsupported("this")
}
