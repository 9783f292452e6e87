//! Puts and gets of single keys, alone or mixed.

use super::calls::{Notes, Operation};
use crate::bench::data::{Random, Shape};
use crate::bench::protobuf::{Field, Fields, put_bytes, put_head, put_number};

/// Puts, gets, or both.
pub(in crate::bench) struct Mix {
    shape: Shape,
    random: Random,
    /// Of a hundred operations.
    reads: u64,
    serializable: bool,
    /// What each slot does, as a place among those of a run: puts, then gets.
    kinds: Vec<usize>,
    key: Vec<u8>,
}

const PUT: &str = "/etcdserverpb.KV/Put";
pub(super) const RANGE: &str = "/etcdserverpb.KV/Range";

impl Mix {
    pub(in crate::bench) fn new(
        shape: Shape,
        seed: u64,
        reads: u64,
        serializable: bool,
        slots: usize,
    ) -> Self {
        let (random, kinds, key) = (Random::new(seed), vec![0; slots], Vec::new());
        Self { shape, random, reads, serializable, kinds, key }
    }
}

/// A put of `key`, whose value `value` writes.
pub(super) fn put(
    message: &mut Vec<u8>,
    key: &[u8],
    value_bytes: usize,
    value: impl FnOnce(&mut Vec<u8>),
) {
    put_bytes(message, 1, key);
    put_head(message, 2, value_bytes);
    value(message);
}

impl Operation for Mix {
    fn ask(&mut self, slot: usize, message: &mut Vec<u8>) -> &'static str {
        self.key.clear();
        self.shape.key(self.random.below(self.shape.keys), &mut self.key);
        let reads = match self.reads {
            0 | 100 => self.reads != 0,
            _ => self.random.below(100) < self.reads,
        };
        self.kinds[slot] = usize::from(reads && self.reads != 100);
        if !reads {
            let Self { shape, random, key, .. } = self;
            put(message, key, shape.value_bytes, |message| shape.value(random, message));
            return PUT;
        }
        put_bytes(message, 1, &self.key);
        if self.serializable {
            put_number(message, 7, 1);
        }
        RANGE
    }

    fn answer(
        &mut self,
        slot: usize,
        message: &[u8],
        notes: &Notes<'_>,
    ) -> Result<(), &'static str> {
        let is_get = self.reads == 100 || self.kinds[slot] == 1;
        if is_get && !Fields(message).any(|field| matches!(field, Field::Bytes(2, _))) {
            notes.add("keys that were not there");
        }
        Ok(())
    }

    fn ended(&mut self, slot: usize) -> Option<usize> {
        Some(self.kinds[slot])
    }
}
