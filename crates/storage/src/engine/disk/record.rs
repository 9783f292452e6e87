use bytes::{Bytes, BytesMut};
use types::{Batch, Op};

use crate::engine::tree::Item;

/// What a record costs beside its bytes, roughly, in bytes: its place in a node, the node's part of
/// free places, the head of its allocation.
const OVERHEAD: u64 = 80;
/// The same for one with an allocation of its own, which grows another one when it is read.
const OVERHEAD_ALONE: u64 = 160;

/// A record, or the mark that there is none under a key any more.
#[derive(Clone)]
pub(super) struct Record {
    /// The key, then the value.
    bytes: Bytes,
    key_len: u16,
    gone: bool,
    alone: bool,
}

impl Record {
    /// What tables have under a key that is short enough for them.
    pub(super) fn stored(key: &[u8], value: &[u8]) -> Self {
        let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        Self { bytes: [key, value].concat().into(), key_len, gone: false, alone: true }
    }

    /// The same in an allocation of its own: it is kept, and its neighbours may not be.
    pub(super) fn alone(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), alone: true, ..*self }
    }

    pub(super) fn key_bytes(&self) -> Bytes {
        self.bytes.slice(..usize::from(self.key_len))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Bytes of key and value.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `None` where the record is gone.
    pub(super) fn value(&self) -> Option<Bytes> {
        (!self.gone).then(|| self.bytes.slice(usize::from(self.key_len)..))
    }

    /// The records of a batch whose lengths were checked, in its order, copied into one allocation.
    ///
    /// An overlay keeps the buffers it is given. Those of a request are slices of whatever it arrived
    /// in, so an overlay of small records could keep many times its own size alive.
    pub(super) fn copied(batch: &Batch) -> Vec<Self> {
        let bytes = |op: &Op| match op {
            Op::Put(key, value) => key.len() + value.len(),
            Op::Delete(key) => key.len(),
        };
        let mut buffer = BytesMut::with_capacity(batch.ops.iter().map(bytes).sum());
        for op in &batch.ops {
            match op {
                Op::Put(key, value) => {
                    buffer.extend_from_slice(key);
                    buffer.extend_from_slice(value);
                }
                Op::Delete(key) => buffer.extend_from_slice(key),
            }
        }
        let mut buffer = buffer.freeze();
        let records = batch.ops.iter().map(|op| {
            let (key, gone) = match op {
                Op::Put(key, _) => (key, false),
                Op::Delete(key) => (key, true),
            };
            let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
            Self { bytes: buffer.split_to(bytes(op)), key_len, gone, alone: false }
        });
        records.collect()
    }
}

impl Item for Record {
    fn key(&self) -> &[u8] {
        &self.bytes[..usize::from(self.key_len)]
    }

    fn bound(&self) -> Bytes {
        // Not a slice of the record: it may outlive it.
        Bytes::copy_from_slice(self.key())
    }

    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + if self.alone { OVERHEAD_ALONE } else { OVERHEAD }
    }
}
