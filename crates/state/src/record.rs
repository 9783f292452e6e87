//! One version of one key, as it is kept under its position.

use bytes::Bytes;
use types::{LeaseId, Revision};

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::response::{KeyValue, Position};

const DELETED: u8 = 1;
const PREVIOUS: u8 = 2;
const LEASE: u8 = 4;
const CONSUL: u8 = 8;
const KNOWN: u8 = DELETED | PREVIOUS | LEASE | CONSUL;

/// A version of a key. Where it is kept is not in it but in its engine key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) create_revision: Revision,
    /// 0 for a tombstone.
    pub(crate) version: i64,
    pub(crate) lease: LeaseId,
    pub(crate) flags: u64,
    pub(crate) lock_index: u64,
    pub(crate) session: Bytes,
    pub(crate) deleted: bool,
    /// Where the version before is kept, tombstones included; it may be compacted away.
    pub(crate) previous: Option<Position>,
}

impl Record {
    pub(crate) fn encode(&self) -> Bytes {
        let consul = self.flags != 0 || self.lock_index != 0 || !self.session.is_empty();
        let mut kind = 0;
        for (bit, set) in [
            (DELETED, self.deleted),
            (PREVIOUS, self.previous.is_some()),
            (LEASE, self.lease.get() != 0),
            (CONSUL, consul),
        ] {
            kind |= if set { bit } else { 0 };
        }
        let mut out =
            Writer::with_capacity(64 + self.key.len() + self.value.len() + self.session.len());
        out.byte(kind);
        out.bytes(&self.key);
        if let Some(previous) = self.previous {
            out.number(previous.revision.get().cast_unsigned());
            out.number(u64::from(previous.sub));
        }
        if self.deleted {
            return out.finish();
        }
        out.number(self.create_revision.get().cast_unsigned());
        out.number(self.version.cast_unsigned());
        if self.lease.get() != 0 {
            out.lease(self.lease);
        }
        if consul {
            out.number(self.flags);
            out.number(self.lock_index);
            out.bytes(&self.session);
        }
        out.bytes(&self.value);
        out.finish()
    }

    /// The byte strings are slices of `bytes`, not copies.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(bytes);
        let kind = cursor.byte()?;
        if kind & !KNOWN != 0 {
            return Err(cursor.error("a record of an unknown kind"));
        }
        let mut record =
            Self { key: cursor.bytes()?, deleted: kind & DELETED != 0, ..Self::default() };
        if kind & PREVIOUS != 0 {
            let revision = Revision(cursor.number()?.cast_signed());
            record.previous = Some(Position { revision, sub: cursor.small()? });
        }
        if !record.deleted {
            record.create_revision = Revision(cursor.number()?.cast_signed());
            record.version = cursor.number()?.cast_signed();
            if kind & LEASE != 0 {
                record.lease = cursor.lease()?;
            }
            if kind & CONSUL != 0 {
                record.flags = cursor.number()?;
                record.lock_index = cursor.number()?;
                record.session = cursor.bytes()?;
            }
            record.value = cursor.bytes()?;
        }
        cursor.end()?;
        Ok(record)
    }

    /// The record as clients see it; `None` for a tombstone.
    pub(crate) fn into_key_value(self, at: Position) -> Option<KeyValue> {
        (!self.deleted).then_some(KeyValue {
            key: self.key,
            value: self.value,
            create_revision: self.create_revision,
            mod_revision: at.revision,
            version: self.version,
            lease: self.lease,
            flags: self.flags,
            lock_index: self.lock_index,
            session: self.session,
        })
    }
}
