//! Writes, or reads, of many keys of one region in one transaction, as a client with a batcher sends them.

use std::ops::Range;
use std::rc::Rc;

use super::calls::{Notes, Operation};
use crate::bench::data::{Random, Shape};
use crate::bench::protobuf::put_bytes;

/// The numbers of the keys of each region, and the endpoint of who leads it, if that is known.
pub(in crate::bench) type Lots = Vec<(Range<u64>, Option<usize>)>;

pub(in crate::bench) struct Batch {
    shape: Shape,
    random: Random,
    /// Those that are asked for over this connection.
    lots: Vec<Range<u64>>,
    /// Keys of a call, and calls of a hundred that read.
    size: u64,
    reads: u64,
    /// Whether each slot reads, and how many keys.
    calls: Vec<(usize, u64)>,
    key: Vec<u8>,
    operation: Vec<u8>,
    inner: Vec<u8>,
}

impl Batch {
    /// Over a connection to endpoint number `endpoint`: what is led there, or all if nothing is.
    pub(in crate::bench) fn new(
        (shape, seed): (Shape, u64),
        lots: &Rc<Lots>,
        endpoint: usize,
        (size, reads): (u64, u64),
        slots: usize,
    ) -> Self {
        let own = lots.iter().filter(|(_, leader)| *leader == Some(endpoint));
        let mut own: Vec<_> = own.map(|(lot, _)| lot.clone()).collect();
        if own.is_empty() {
            own = lots.iter().map(|(lot, _)| lot.clone()).collect();
        }
        Self {
            shape,
            random: Random::new(seed),
            lots: own,
            size,
            reads,
            calls: vec![(0, 0); slots],
            key: Vec::new(),
            operation: Vec::new(),
            inner: Vec::new(),
        }
    }
}

impl Operation for Batch {
    fn ask(&mut self, slot: usize, message: &mut Vec<u8>) -> &'static str {
        let lot = self.random.below(self.lots.len() as u64) as usize;
        let Range { start, end } = self.lots[lot].clone();
        let reads = self.random.below(100) < self.reads;
        // Different ones: a transaction writes a key once.
        let size = self.size.min(end - start);
        self.calls[slot] = (usize::from(reads), size);
        let stride = (end - start) / size;
        let first = self.random.below(stride);
        let Self { shape, random, key, operation, inner, .. } = self;
        for at in 0..size {
            key.clear();
            shape.key(start + first + at * stride, key);
            operation.clear();
            if reads {
                put_bytes(operation, 1, key);
            } else {
                super::kv::put(operation, key, shape.value_bytes, |it| shape.value(random, it));
            }
            // An operation that is a range (1) or a put (2), where the comparisons hold (2).
            inner.clear();
            put_bytes(inner, if reads { 1 } else { 2 }, operation);
            put_bytes(message, 2, inner);
        }
        "/etcdserverpb.KV/Txn"
    }

    fn answer(&mut self, _: usize, _: &[u8], _: &Notes<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    fn ended(&mut self, slot: usize) -> Option<usize> {
        Some(self.calls[slot].0)
    }

    fn together(&self, slot: usize) -> u64 {
        self.calls[slot].1
    }
}
