//! Changing a key space: what one command writes at one revision.

use bytes::Bytes;
use types::{Batch, Code, Fault, KeyRange, LeaseId, ReadFailure, Reader, Revision};

use super::KeySpace;
use crate::index::{Head, Spot};
use crate::keys;
use crate::record::Record;
use crate::request::{DeleteRequest, PutRequest};
use crate::response::{Event, EventKind, KeyValue, Position, Response};

/// The writes of one revision. The revision comes about with the first of them.
pub(crate) struct Change<'a> {
    pub(super) space: &'a mut KeySpace,
    pub(super) reader: &'a dyn Reader,
    batch: &'a mut Batch,
    events: &'a mut Vec<Event>,
    pub(super) revision: Revision,
    writes: u32,
}

impl KeySpace {
    pub(crate) fn change<'a>(
        &'a mut self,
        reader: &'a dyn Reader,
        batch: &'a mut Batch,
        events: &'a mut Vec<Event>,
    ) -> Change<'a> {
        let revision = Revision(self.newest().get() + 1);
        Change { space: self, reader, batch, events, revision, writes: 0 }
    }

    /// As [`Self::change`], for a revision that something else than keys came about with.
    pub(crate) fn change_at<'a>(
        &'a mut self,
        revision: Revision,
        reader: &'a dyn Reader,
        batch: &'a mut Batch,
        events: &'a mut Vec<Event>,
    ) -> Change<'a> {
        self.progress.revision = revision;
        Change { space: self, reader, batch, events, revision, writes: 0 }
    }

    /// What a put can be refused for.
    pub(super) fn check_put(&self, put: &PutRequest) -> Result<(), Fault> {
        if put.lease.get() != 0 && !self.leases.contains(put.lease) {
            return Err(Code::LeaseNotFound.into());
        }
        if (put.ignore_value || put.ignore_lease) && self.index.get_live(&put.key).is_none() {
            return Err(Code::KeyNotFound.into());
        }
        Ok(())
    }

    pub(crate) fn grant(
        &mut self,
        id: LeaseId,
        ttl_seconds: i64,
        batch: &mut Batch,
    ) -> Result<Response, Fault> {
        if self.leases.contains(id) {
            return Err(Code::LeaseExists.into());
        }
        self.leases.grant(id, ttl_seconds);
        batch.put(keys::lease(self.region, id), crate::leases::encode(ttl_seconds));
        Ok(Response::LeaseGranted { id, ttl_seconds })
    }

    pub(crate) fn compact(&mut self, revision: Revision) -> Result<Response, Fault> {
        if revision <= self.progress.compacted {
            return Err(Code::Compacted.into());
        }
        if revision > self.newest() {
            return Err(Code::FutureRevision.into());
        }
        self.progress.compacted = revision;
        Ok(Response::Compacted)
    }
}

impl Change<'_> {
    pub(crate) fn put(&mut self, put: &PutRequest) -> Result<Result<Response, Fault>, ReadFailure> {
        match self.space.check_put(put) {
            Ok(()) => self.put_checked(put).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }

    pub(super) fn put_checked(&mut self, put: &PutRequest) -> Result<Response, ReadFailure> {
        let spot = self.space.index.spot(&put.key);
        let head = self.space.index.head(spot);
        let live = head.filter(|head| !head.deleted);
        let before = match live {
            Some(head) if put.prev_kv || put.ignore_value || head.consul => {
                let record = self.space.record(head.position, self.reader)?;
                record.into_key_value(head.position)
            }
            _ => None,
        };
        // Whoever does not know of locks must not take one away.
        let consul = before.as_ref().filter(|_| live.is_some_and(|head| head.consul));
        let (flags, lock_index, session) =
            consul.map(|it| (it.flags, it.lock_index, it.session.clone())).unwrap_or_default();
        let kept = if put.ignore_value { before.as_ref() } else { None };
        let value = kept.map_or(&put.value, |before| &before.value).clone();
        let lease = match live {
            Some(head) if put.ignore_lease => head.lease,
            _ => put.lease,
        };
        let record = Record {
            key: put.key.clone(),
            value,
            create_revision: live.map_or(self.revision, |head| head.create_revision),
            version: live.map_or(0, |head| head.version) + 1,
            lease,
            reborn: head.is_some_and(|head| head.deleted || head.reborn),
            previous: head.map(|head| head.position),
            flags,
            lock_index,
            session,
            deleted: false,
        };
        self.write(spot, record, live);
        Ok(Response::Put { prev: before.filter(|_| put.prev_kv) })
    }

    pub(crate) fn delete(&mut self, delete: &DeleteRequest) -> Result<Response, ReadFailure> {
        let mut prev = Vec::new();
        let doomed = self.doomed(&delete.range);
        for (key, head) in &doomed {
            if delete.prev_kv {
                let record = self.space.record(head.position, self.reader)?;
                prev.extend(record.into_key_value(head.position));
            }
            self.bury(key.clone(), *head);
        }
        Ok(Response::Delete { deleted: i64::try_from(doomed.len()).unwrap_or(i64::MAX), prev })
    }

    pub(super) fn doomed(&self, range: &KeyRange) -> Vec<(Bytes, Head)> {
        self.space
            .index
            .range(range)
            .filter(|(_, head)| !head.deleted)
            .map(|(key, head)| (Bytes::copy_from_slice(key), head))
            .collect()
    }

    pub(super) fn bury(&mut self, key: Bytes, head: Head) {
        let record = Record {
            key,
            create_revision: head.create_revision,
            deleted: true,
            reborn: head.reborn,
            previous: Some(head.position),
            ..Record::default()
        };
        self.write(self.space.index.spot(&record.key), record, Some(head));
    }

    pub(crate) fn revoke(&mut self, id: LeaseId) -> Result<Response, Fault> {
        if !self.space.leases.contains(id) {
            return Err(Code::LeaseNotFound.into());
        }
        self.batch.delete(keys::lease(self.space.region, id));
        for key in self.space.leases.revoke(id) {
            if let Some(head) = self.space.index.get_live(&key) {
                self.bury(key, head);
            }
        }
        Ok(Response::LeaseRevoked)
    }

    /// Writes one version of the key at `spot`; `before` is the version it takes the place of, if the key
    /// was there.
    pub(super) fn write(&mut self, spot: Spot, record: Record, before: Option<Head>) {
        let position = Position { revision: self.revision, sub: self.writes };
        self.writes += 1;
        // From the first write on, so that reads of the same transaction see this revision.
        self.space.progress.revision = self.revision;
        let head = Head {
            position,
            create_revision: record.create_revision,
            version: record.version,
            lease: record.lease,
            deleted: record.deleted,
            reborn: record.reborn,
            consul: record.has_consul(),
        };
        if head.consul || before.is_some_and(|before| before.consul) {
            self.space.locks.set(&record.key, &record.session);
        }
        self.space.index.set_at(spot, &record.key, head);
        let from = before.map_or(LeaseId(0), |head| head.lease);
        self.space.leases.attach(&record.key, from, record.lease);
        let encoded = record.encode();
        self.batch.put(keys::record(self.space.region, position), encoded.clone());
        self.space.overlay.push(position, encoded);
        self.events.push(event(record, position, before.map(|head| head.position)));
    }
}

/// What watchers are told of a version.
pub(crate) fn event(record: Record, position: Position, previous: Option<Position>) -> Event {
    let key = record.key.clone();
    match record.into_key_value(position) {
        Some(kv) => Event { kind: EventKind::Put, kv, position, previous },
        None => {
            let kv = KeyValue { key, mod_revision: position.revision, ..KeyValue::default() };
            Event { kind: EventKind::Delete, kv, position, previous }
        }
    }
}
