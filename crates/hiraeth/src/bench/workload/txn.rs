//! Compare and put: a put if the key is as it was last seen, else a get.

use super::calls::{Notes, Operation};
use crate::bench::data::{Random, Shape};
use crate::bench::protobuf::{bytes, number, put_bytes, put_head, put_number};

/// Keys each slot changes; nobody else does.
const KEYS: u64 = 16;

pub(in crate::bench) struct Txn {
    shape: Shape,
    random: Random,
    /// The number of the first slot's first key.
    first: u64,
    slots: Vec<Slot>,
    inner: Vec<u8>,
}

#[derive(Clone, Default)]
struct Slot {
    /// Where each key was last changed; 0 if it is not there.
    seen: [i64; KEYS as usize],
    chosen: usize,
}

impl Txn {
    /// For slots from number `first` on among those of all connections.
    pub(in crate::bench) fn new(shape: Shape, seed: u64, first: usize, slots: usize) -> Self {
        let slots = vec![Slot::default(); slots];
        let first = first as u64 * KEYS;
        Self { shape, random: Random::new(seed), first, slots, inner: Vec::new() }
    }
}

impl Operation for Txn {
    fn ask(&mut self, slot: usize, message: &mut Vec<u8>) -> &'static str {
        let chosen = self.random.below(KEYS);
        self.slots[slot].chosen = chosen as usize;
        let mut key = Vec::with_capacity(self.shape.key_bytes);
        let number = self.first + slot as u64 * KEYS + chosen;
        self.shape.key(number % self.shape.keys, &mut key);
        let inner = &mut self.inner;
        // Compare: equal (0, the default), what: changed (2), the key, the revision.
        inner.clear();
        put_number(inner, 2, 2);
        put_bytes(inner, 3, &key);
        put_number(inner, 6, self.slots[slot].seen[chosen as usize].cast_unsigned());
        put_bytes(message, 1, inner);
        // Success: an operation (2) that is a put (2).
        inner.clear();
        super::kv::put(inner, &key, self.shape.value_bytes, |inner| {
            self.shape.value(&mut self.random, inner);
        });
        operation(message, 2, 2, inner);
        // Else an operation (3) that is a range (1).
        inner.clear();
        put_bytes(inner, 1, &key);
        operation(message, 3, 1, inner);
        "/etcdserverpb.KV/Txn"
    }

    fn answer(
        &mut self,
        slot: usize,
        message: &[u8],
        notes: &Notes<'_>,
    ) -> Result<(), &'static str> {
        let slot = &mut self.slots[slot];
        let succeeded = number(message, 2) == 1;
        let changed = if succeeded {
            // The header's revision.
            number(bytes(message, 1), 3)
        } else {
            notes.add("comparisons that did not hold");
            // The range (1) of the first response (3), its first record (2), where it was changed (3).
            number(bytes(bytes(bytes(message, 3), 1), 2), 3)
        };
        slot.seen[slot.chosen] = changed.cast_signed();
        if succeeded && changed == 0 {
            Err("a transaction that wrote tells no revision")
        } else {
            Ok(())
        }
    }

    fn ended(&mut self, _: usize) -> Option<usize> {
        Some(0)
    }
}

fn operation(message: &mut Vec<u8>, field: u32, kind: u32, inner: &[u8]) {
    let mut operation = Vec::with_capacity(inner.len() + 8);
    put_bytes(&mut operation, kind, inner);
    put_head(message, field, operation.len());
    message.extend_from_slice(&operation);
}
