//! What a state machine asks of an engine, and how it says what to write. Both sit here so that
//! `state` (pure) and `storage` (I/O) need not know one another.

use bytes::Bytes;

/// An engine that cannot read any more; the node that meets it stops serving.
#[derive(Clone, Debug, thiserror::Error)]
#[error("engine read failed: {0}")]
pub struct ReadFailure(pub String);

/// A consistent view of the engine's records, ordered by key.
pub trait Reader {
    /// The value under `key`.
    ///
    /// # Errors
    /// When the engine cannot be read or finds a bad checksum.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure>;

    /// Shows `visit` the records with `start <= key < end` in ascending order until it answers
    /// `false`.
    ///
    /// # Errors
    /// When the engine cannot be read or finds a bad checksum.
    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure>;
}

/// Records that nobody reads any more, and that nobody will write again.
pub trait Garbage: Send + Sync {
    /// Whether the record under `key` is one of them.
    fn holds(&self, key: &[u8]) -> bool;

    /// The key of the first one at or after `from`.
    fn next(&self, from: &[u8]) -> Option<Bytes>;

    /// How many there are at most.
    fn count(&self) -> u64;

    /// Whether they are still to be removed; asked now and then on the way.
    fn is_wanted(&self) -> bool {
        true
    }
}

/// One change of one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Set `key` to `value`.
    Put(Bytes, Bytes),
    /// Remove `key`.
    Delete(Bytes),
}

/// Changes an engine makes all together or not at all, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The changes; a later one wins over an earlier one of the same key.
    pub ops: Vec<Op>,
}

impl Batch {
    /// Adds "set `key` to `value`".
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.ops.push(Op::Put(key.into(), value.into()));
    }

    /// Adds "remove `key`".
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.ops.push(Op::Delete(key.into()));
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How many changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }
}
