//! What a region of a sharded keyspace is: part of its applied record, and of what announces a snapshot.

use bytes::Bytes;
use types::{Index, KeyRange, KeyspaceId};

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::codec::request::{get_range, put_range};

/// Which keys a region owns, and about how much lies there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The keyspace it is part of.
    pub keyspace: KeyspaceId,
    /// The keys it owns in it.
    pub range: KeyRange,
    /// The index its log begins after: 1, or that of the split in its parent's log.
    pub born: Index,
    /// How many keys it has. Exact until the first split, which takes over what was measured.
    pub keys: u64,
    /// Bytes of keys and values, counted in the same way.
    pub bytes: u64,
}

impl Shape {
    /// That of a new region without keys.
    #[must_use]
    pub fn new(keyspace: KeyspaceId, range: KeyRange) -> Self {
        Self { keyspace, range, born: Index(1), keys: 0, bytes: 0 }
    }

    /// The shape as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        self.put(&mut out);
        out.finish()
    }

    /// The shape in `bytes`.
    ///
    /// # Errors
    /// When the bytes are not exactly one shape.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut from = Cursor::new(bytes);
        let shape = Self::get(&mut from)?;
        from.end()?;
        Ok(shape)
    }

    pub(crate) fn put(&self, out: &mut Writer) {
        out.number(u64::from(self.keyspace.get()));
        put_range(out, &self.range);
        out.number(self.born.get());
        out.number(self.keys);
        out.number(self.bytes);
    }

    pub(crate) fn get(from: &mut Cursor) -> Result<Self, CodecError> {
        Ok(Self {
            keyspace: KeyspaceId(from.small()?),
            range: get_range(from)?,
            born: Index(from.number()?),
            keys: from.number()?,
            bytes: from.number()?,
        })
    }
}
