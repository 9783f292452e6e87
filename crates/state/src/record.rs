//! One version of one key, as it is kept under its position.

use bytes::Bytes;
use types::{LeaseId, Revision};

use crate::codec::CodecError;
use crate::codec::primitives::Writer;
use crate::index::Head;
use crate::response::{KeyValue, Position};

const DELETED: u8 = 1;
const PREVIOUS: u8 = 2;
const REBORN: u8 = 4;
const LEASE: u8 = 8;
const CONSUL: u8 = 16;
const KNOWN: u8 = DELETED | PREVIOUS | REBORN | LEASE | CONSUL;

/// A version of a key. Where it is kept is not in it but in its engine key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    /// For a tombstone: of the life it ended.
    pub(crate) create_revision: Revision,
    /// 0 for a tombstone.
    pub(crate) version: i64,
    pub(crate) lease: LeaseId,
    pub(crate) flags: u64,
    pub(crate) lock_index: u64,
    pub(crate) session: Bytes,
    pub(crate) deleted: bool,
    /// Whether the key may have lived before `create_revision`.
    pub(crate) reborn: bool,
    /// Where the version before is kept, tombstones included; it may be compacted away.
    pub(crate) previous: Option<Position>,
}

impl Record {
    /// Whether it has any of Consul's fields. Without them a record is as long as it was before them.
    pub(crate) fn has_consul(&self) -> bool {
        self.flags != 0 || self.lock_index != 0 || !self.session.is_empty()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let consul = self.has_consul();
        let mut kind = 0;
        for (bit, set) in [
            (DELETED, self.deleted),
            (PREVIOUS, self.previous.is_some()),
            (REBORN, self.reborn),
            (LEASE, self.lease.get() != 0),
            (CONSUL, consul),
        ] {
            kind |= if set { bit } else { 0 };
        }
        let mut out =
            Writer::with_capacity(64 + self.key.len() + self.value.len() + self.session.len());
        out.byte(kind);
        out.bytes(&self.key);
        out.number(self.create_revision.get().cast_unsigned());
        if let Some(previous) = self.previous {
            out.number(previous.revision.get().cast_unsigned());
            out.number(u64::from(previous.sub));
        }
        if self.deleted {
            return out.finish();
        }
        out.number(self.version.cast_unsigned());
        if self.lease.get() != 0 {
            out.number(self.lease.get().cast_unsigned());
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
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        let fields = Fields::parse(bytes)?;
        Ok(Self {
            key: bytes.slice_ref(fields.key),
            value: bytes.slice_ref(fields.value),
            create_revision: fields.create_revision,
            version: fields.version,
            lease: fields.lease,
            flags: fields.flags,
            lock_index: fields.lock_index,
            session: bytes.slice_ref(fields.session),
            deleted: fields.deleted,
            reborn: fields.reborn,
            previous: fields.previous,
        })
    }

    /// What memory keeps of the record at `position`: its key, its head, the session that holds it.
    pub(crate) fn decode_head(
        bytes: &[u8],
        position: Position,
    ) -> Result<(&[u8], Head, &[u8]), CodecError> {
        let fields = Fields::parse(bytes)?;
        let head = Head {
            position,
            create_revision: fields.create_revision,
            version: fields.version,
            lease: fields.lease,
            deleted: fields.deleted,
            reborn: fields.reborn,
            consul: fields.has_consul(),
        };
        Ok((fields.key, head, fields.session))
    }

    /// Which version the record takes the place of, of the same life of its key.
    pub(crate) fn overtakes(&self) -> Option<Position> {
        if self.deleted || self.version > 1 { self.previous } else { None }
    }

    /// [`Self::overtakes`] of an encoded record.
    pub(crate) fn decode_overtaken(bytes: &[u8]) -> Result<Option<Position>, CodecError> {
        let Fields { deleted, version, previous, .. } = Fields::parse(bytes)?;
        Ok(if deleted || version > 1 { previous } else { None })
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

/// A record's fields as they lie there. Loading a region looks at every record once: nothing is
/// allocated or counted for that.
#[derive(Default)]
struct Fields<'a> {
    key: &'a [u8],
    value: &'a [u8],
    create_revision: Revision,
    version: i64,
    lease: LeaseId,
    flags: u64,
    lock_index: u64,
    session: &'a [u8],
    deleted: bool,
    reborn: bool,
    previous: Option<Position>,
}

impl<'a> Fields<'a> {
    fn has_consul(&self) -> bool {
        self.flags != 0 || self.lock_index != 0 || !self.session.is_empty()
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Input { rest: bytes, length: bytes.len() };
        let kind = input.byte()?;
        if kind & !KNOWN != 0 {
            return Err(input.error("a record of an unknown kind"));
        }
        let has = |bit| kind & bit != 0;
        let mut fields = Self { deleted: has(DELETED), reborn: has(REBORN), ..Self::default() };
        fields.key = input.bytes()?;
        fields.create_revision = input.revision()?;
        if has(PREVIOUS) {
            let revision = input.revision()?;
            let sub = u32::try_from(input.number()?)
                .map_err(|_| input.error("a position over 32 bits"))?;
            fields.previous = Some(Position { revision, sub });
        }
        if !fields.deleted {
            fields.version = input.number()?.cast_signed();
            if has(LEASE) {
                fields.lease = LeaseId(input.number()?.cast_signed());
            }
            if has(CONSUL) {
                fields.flags = input.number()?;
                fields.lock_index = input.number()?;
                fields.session = input.bytes()?;
            }
            fields.value = input.bytes()?;
        }
        if input.rest.is_empty() { Ok(fields) } else { Err(input.error("bytes after the end")) }
    }
}

struct Input<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Input<'a> {
    fn error(&self, what: &'static str) -> CodecError {
        CodecError { what, offset: self.length - self.rest.len(), length: self.length }
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(self.error("the end where a byte is due"));
        };
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for at in 0..10 {
            let byte = self.byte()?;
            if at == 9 && byte > 1 {
                return Err(self.error("a number over 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a number that does not end"))
    }

    fn revision(&mut self) -> Result<Revision, CodecError> {
        Ok(Revision(self.number()?.cast_signed()))
    }

    fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.error("a length beyond the end"));
        };
        self.rest = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::{LeaseId, Revision};

    use super::Record;
    use crate::response::Position;

    fn bytes() -> impl Strategy<Value = bytes::Bytes> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Into::into)
    }

    fn record() -> impl Strategy<Value = Record> {
        let previous = prop::option::of((any::<i64>(), any::<u32>()));
        let numbers = (any::<i64>(), any::<i64>(), any::<i64>(), any::<u64>(), 0_u64..2);
        (bytes(), bytes(), bytes(), numbers, previous, any::<[bool; 2]>()).prop_map(
            |(key, value, session, numbers, previous, [deleted, reborn])| {
                let (created, version, lease, flags, lock_index) = numbers;
                let previous =
                    previous.map(|(revision, sub)| Position { revision: Revision(revision), sub });
                let create_revision = Revision(created);
                let base =
                    Record { key, create_revision, deleted, reborn, previous, ..Record::default() };
                if deleted {
                    return base;
                }
                Record { value, version, lease: LeaseId(lease), flags, lock_index, session, ..base }
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back(record in record(), cut in any::<prop::sample::Index>()) {
            let bytes = record.encode();
            prop_assert_eq!(Record::decode(&bytes).unwrap(), record);
            let cut = bytes.slice(..cut.index(bytes.len()));
            prop_assert!(Record::decode(&cut).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_panic(bytes in bytes()) {
            if let Ok(record) = Record::decode(&bytes) {
                prop_assert!(record.key.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn the_written_form_stands() {
        let record = Record {
            key: "k".into(),
            value: "value".into(),
            create_revision: Revision(2),
            version: 300,
            lease: LeaseId(-1),
            flags: 5,
            lock_index: 6,
            session: "s".into(),
            deleted: false,
            reborn: true,
            previous: Some(Position { revision: Revision(128), sub: 1 }),
        };
        let wanted = b"\x1e\x01k\x02\x80\x01\x01\xac\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\
            \x05\x06\x01s\x05value";
        assert_eq!(record.encode(), wanted.as_slice());
    }
}
