//! What a search in a node looks at: where the keys differ, all in one piece of memory.

use std::cmp::Ordering;

/// Items in a leaf and children of a branch, at most.
pub(super) const FANOUT: usize = 64;
/// Of what all keys of a node begin with, so many bytes are left out at most: all of it where keys of a
/// sharded keyspace have 16 bytes.
const PREFIX_BYTES: usize = 30;

/// The keys of a node, short: what they all begin with, once, and of each the eight bytes that follow, filled
/// up with zeros. Where two heads differ, their keys are in the same order.
#[derive(Clone)]
pub(super) struct Heads {
    heads: [u64; FANOUT + 1],
    prefix: [u8; PREFIX_BYTES],
    prefix_len: u8,
    len: u8,
}

/// How a key lies to the keys of a node.
#[derive(Clone, Copy)]
enum Place {
    /// Before all of them.
    Before,
    /// It begins as they do.
    Among(u64),
    /// After all of them.
    After,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { heads: [0; FANOUT + 1], prefix: [0; PREFIX_BYTES], prefix_len: 0, len: 0 }
    }

    /// Of `keys`, which are in order.
    pub(super) fn of<'key>(keys: impl Iterator<Item = &'key [u8]> + Clone) -> Self {
        let mut heads = Self::new();
        let (first, last) = (keys.clone().next(), keys.clone().last());
        if let (Some(first), Some(last)) = (first, last) {
            heads.begin_with(first, common(first, last));
        }
        for key in keys {
            heads.heads[usize::from(heads.len)] = heads.head(key);
            heads.len += 1;
        }
        heads
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }

    fn begin_with(&mut self, key: &[u8], len: usize) {
        let len = len.min(PREFIX_BYTES);
        self.prefix[..len].copy_from_slice(&key[..len]);
        self.prefix_len = u8::try_from(len).unwrap_or_default();
    }

    /// Whether of keys between `first` and `last` more could be left out than is.
    pub(super) fn could_be_shorter(&self, first: &[u8], last: &[u8]) -> bool {
        common(first, last).min(PREFIX_BYTES) > usize::from(self.prefix_len)
    }

    /// Whether all keys, with `key`, begin with what is left out. An empty node has no other keys.
    pub(super) fn admits(&self, key: &[u8]) -> bool {
        self.len > 0 && key.starts_with(self.prefix())
    }

    /// Leaves out only what `key` begins with, too; `keys` are those that are here.
    pub(super) fn admit<'key>(&mut self, key: &[u8], keys: impl Iterator<Item = &'key [u8]>) {
        if self.len == 0 {
            self.begin_with(key, key.len());
            return;
        }
        let len = common(self.prefix(), key);
        self.prefix_len = u8::try_from(len).unwrap_or_default();
        for (at, key) in keys.enumerate() {
            self.heads[at] = self.head(key);
        }
    }

    pub(super) fn insert(&mut self, at: usize, key: &[u8]) {
        let head = self.head(key);
        let len = self.len();
        self.heads.copy_within(at..len, at + 1);
        self.heads[at] = head;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        self.heads.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = self.clone();
        let count = self.len() - at;
        right.heads.copy_within(at..self.len(), 0);
        right.len = u8::try_from(count).unwrap_or_default();
        self.len -= right.len;
        right
    }

    /// The position of the first key that is not below `key`, and whether it is `key`; `full` compares the
    /// whole key at a position.
    pub(super) fn find(
        &self,
        key: &[u8],
        full: impl Fn(usize) -> Ordering,
    ) -> Result<usize, usize> {
        let head = match self.place(key) {
            Place::Before => return Err(0),
            Place::After => return Err(self.len()),
            Place::Among(head) => head,
        };
        let heads = &self.heads[..self.len()];
        let (mut low, mut high) = (heads.partition_point(|other| *other < head), self.len());
        while low < high {
            let middle = match heads.get(low + 1) {
                // Most often it is the only one.
                Some(next) if *next == head => usize::midpoint(low, high),
                _ => low,
            };
            if heads[middle] > head {
                high = middle;
                continue;
            }
            match full(middle) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn place(&self, key: &[u8]) -> Place {
        let prefix = self.prefix();
        match key.get(..prefix.len()) {
            Some(front) if front == prefix => Place::Among(self.head(key)),
            _ if key < prefix => Place::Before,
            _ => Place::After,
        }
    }

    /// Of a key that begins as all do.
    fn head(&self, key: &[u8]) -> u64 {
        let rest = key.get(usize::from(self.prefix_len)..).unwrap_or_default();
        match rest.first_chunk() {
            Some(head) => u64::from_be_bytes(*head),
            None => {
                let mut head = [0; 8];
                head[..rest.len()].copy_from_slice(rest);
                u64::from_be_bytes(head)
            }
        }
    }
}

/// The length of what both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}
