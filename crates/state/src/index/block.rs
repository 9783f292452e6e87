//! A run of neighbouring keys, packed.

use crate::response::Position;
use types::{LeaseId, Revision};

/// Keys a block holds at most.
pub(crate) const BLOCK_KEYS: usize = 256;
/// Bytes of keys from which on a block is split, so that long keys do not make inserting slow.
const BLOCK_BYTES: usize = 64 * 1024;

/// What is known of a key's newest version without asking the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) position: Position,
    pub(crate) create_revision: Revision,
    pub(crate) version: i64,
    pub(crate) lease: LeaseId,
    /// Whether the newest version is a tombstone; `create_revision` is that of the life it ended.
    pub(crate) deleted: bool,
    /// Whether the key may have lived before `create_revision`.
    pub(crate) reborn: bool,
    /// Whether the record has Consul's fields, which a put of an etcd client leaves as they are.
    pub(crate) consul: bool,
}

/// A key's first eight bytes as a number, with zeros for those it has not: where two differ, the keys
/// differ likewise. Comparing numbers costs a fraction of comparing bytes.
pub(crate) fn prefix(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut padded = [0; 8];
    padded[..key.len()].copy_from_slice(key);
    u64::from_be_bytes(padded)
}

/// [`Head`] without its padding.
#[derive(Clone, Copy)]
struct Packed {
    revision: i64,
    create_revision: i64,
    version: i64,
    lease: i64,
    sub: u32,
    deleted: bool,
    reborn: bool,
    consul: bool,
}

impl From<Head> for Packed {
    fn from(head: Head) -> Self {
        Self {
            revision: head.position.revision.get(),
            create_revision: head.create_revision.get(),
            version: head.version,
            lease: head.lease.get(),
            sub: head.position.sub,
            deleted: head.deleted,
            reborn: head.reborn,
            consul: head.consul,
        }
    }
}

impl From<Packed> for Head {
    fn from(packed: Packed) -> Self {
        Self {
            position: Position { revision: Revision(packed.revision), sub: packed.sub },
            create_revision: Revision(packed.create_revision),
            version: packed.version,
            lease: LeaseId(packed.lease),
            deleted: packed.deleted,
            reborn: packed.reborn,
            consul: packed.consul,
        }
    }
}

/// The keys of a block lie one after the other in one allocation: a key of its own on the heap would
/// cost more than the whole entry does here.
#[derive(Default)]
pub(crate) struct Block {
    keys: Vec<u8>,
    /// Where each key ends in `keys`.
    ends: Vec<u32>,
    heads: Vec<Packed>,
    live: u32,
}

impl Block {
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn of(key: &[u8], head: Head) -> Self {
        let mut block = Self::default();
        block.insert(0, key, head);
        block
    }

    /// Keys that are not deleted.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn key(&self, at: usize) -> &[u8] {
        &self.keys[self.start(at)..self.ends[at] as usize]
    }

    pub(crate) fn head(&self, at: usize) -> Head {
        self.heads[at].into()
    }

    pub(crate) fn deleted(&self, at: usize) -> bool {
        self.heads[at].deleted
    }

    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] as usize }
    }

    pub(crate) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let wanted = prefix(key);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let there = self.key(middle);
            match prefix(there).cmp(&wanted).then_with(|| there.cmp(key)) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// The first place whose key is not below `key`.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> usize {
        self.find(key).unwrap_or_else(|at| at)
    }

    pub(crate) fn has_room_for(&self, key: &[u8]) -> bool {
        self.len() < BLOCK_KEYS
            && (self.keys.is_empty() || self.keys.len() + key.len() <= BLOCK_BYTES)
    }

    pub(crate) fn set(&mut self, at: usize, head: Head) {
        let before = std::mem::replace(&mut self.heads[at], head.into());
        self.live = self.live - u32::from(!before.deleted) + u32::from(!head.deleted);
    }

    pub(crate) fn insert(&mut self, at: usize, key: &[u8], head: Head) {
        self.grow(key.len());
        let start = self.start(at);
        let tail = self.keys.len() - start;
        self.keys.extend_from_slice(key);
        self.keys[start..].rotate_right(key.len());
        debug_assert_eq!(self.keys.len(), start + tail + key.len());
        self.ends.insert(at, offset(start));
        for end in &mut self.ends[at..] {
            *end += offset(key.len());
        }
        self.heads.insert(at, head.into());
        self.live += u32::from(!head.deleted);
    }

    /// An eighth more at a time: doubling would leave a third of the memory unused.
    fn grow(&mut self, key_bytes: usize) {
        if self.heads.len() == self.heads.capacity() {
            let more = (self.heads.len() / 8).max(8);
            self.heads.reserve_exact(more);
            self.ends.reserve_exact(more);
        }
        if self.keys.capacity() - self.keys.len() < key_bytes {
            self.keys.reserve_exact((self.keys.len() / 8).max(64).max(key_bytes));
        }
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.ends[at] as usize);
        self.keys.drain(start..end);
        self.ends.remove(at);
        for later in &mut self.ends[at..] {
            *later -= offset(end - start);
        }
        let head = self.heads.remove(at);
        self.live -= u32::from(!head.deleted);
    }

    /// Moves the entries from `at` on into a block of their own.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        let start = self.start(at);
        let mut right = Self {
            keys: self.keys.split_off(start),
            ends: self.ends.split_off(at),
            heads: self.heads.split_off(at),
            live: 0,
        };
        for end in &mut right.ends {
            *end -= offset(start);
        }
        right.live = offset(right.heads.iter().filter(|head| !head.deleted).count());
        self.live -= right.live;
        self.keys.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.heads.shrink_to_fit();
        right
    }

    /// Appends `right`, whose keys are all larger.
    pub(crate) fn append(&mut self, right: &Self) {
        let start = offset(self.keys.len());
        self.keys.extend_from_slice(&right.keys);
        self.ends.extend(right.ends.iter().map(|end| end + start));
        self.heads.extend_from_slice(&right.heads);
        self.live += right.live;
    }

    /// Whether both fit into one block with room to spare, so that it is not split again at once.
    pub(crate) fn fits_with(&self, right: &Self) -> bool {
        self.len() + right.len() <= BLOCK_KEYS / 2
            && self.keys.len() + right.keys.len() <= BLOCK_BYTES / 2
    }

    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.keys.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.heads.capacity() * size_of::<Packed>()
    }
}

fn offset(bytes: usize) -> u32 {
    debug_assert!(u32::try_from(bytes).is_ok(), "a block of {bytes} bytes");
    #[allow(clippy::cast_possible_truncation, reason = "blocks are far smaller than 4 GiB")]
    let offset = bytes as u32;
    offset
}
