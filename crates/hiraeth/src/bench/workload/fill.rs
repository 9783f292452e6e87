//! Every key once, in order, many to a request.

use std::cell::Cell;
use std::rc::Rc;

use super::calls::{Notes, Operation};
use crate::bench::data::{Random, Shape};
use crate::bench::protobuf::put_bytes;

/// Bytes and operations of a request: below the 1.5 MiB and 128 that servers take.
const BYTES: usize = 256 * 1024;
const OPERATIONS: u64 = 100;

fn per_request(shape: &Shape) -> u64 {
    let room = BYTES / (shape.key_bytes + shape.value_bytes).max(1);
    (room as u64).clamp(1, OPERATIONS)
}

/// How many requests write all keys.
pub(in crate::bench) fn requests(shape: &Shape) -> u64 {
    shape.keys.div_ceil(per_request(shape))
}

pub(in crate::bench) struct Fill {
    shape: Shape,
    random: Random,
    /// The first key nobody wrote yet, of all connections.
    next: Rc<Cell<u64>>,
    inner: Vec<u8>,
    put: Vec<u8>,
}

impl Fill {
    pub(in crate::bench) fn new(shape: Shape, seed: u64, next: Rc<Cell<u64>>) -> Self {
        Self { shape, random: Random::new(seed), next, inner: Vec::new(), put: Vec::new() }
    }
}

impl Operation for Fill {
    fn ask(&mut self, _: usize, message: &mut Vec<u8>) -> &'static str {
        let first = self.next.get();
        let after = (first + per_request(&self.shape)).min(self.shape.keys);
        self.next.set(after);
        let Self { shape, random, inner, put, .. } = self;
        for number in first..after {
            put.clear();
            let mut key = Vec::with_capacity(shape.key_bytes);
            shape.key(number, &mut key);
            super::kv::put(put, &key, shape.value_bytes, |put| shape.value(random, put));
            // Success: an operation (2) that is a put (2).
            inner.clear();
            put_bytes(inner, 2, put);
            put_bytes(message, 2, inner);
        }
        "/etcdserverpb.KV/Txn"
    }

    fn answer(&mut self, _: usize, _: &[u8], _: &Notes<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    fn ended(&mut self, _: usize) -> Option<usize> {
        Some(0)
    }
}
