use std::sync::Arc;

use crate::head::RequestHead;

/// Blocks that are remembered.
const BLOCKS: usize = 4;
/// Bytes of the longest one that is: with every field in the table, none is longer.
const BLOCK_BYTES: usize = 256;

/// Header blocks seen lately. Clients of gRPC begin call after call with the very same bytes, each
/// field by its number in the table; as long as the table stays as it is, they mean the same.
#[derive(Default)]
pub(crate) struct Recent {
    blocks: Vec<Seen>,
    next: usize,
}

struct Seen {
    block: Box<[u8]>,
    /// What [`crate::hpack::Decoder::changes`] was.
    changes: u64,
    head: Arc<RequestHead>,
}

impl Recent {
    pub(crate) fn get(&self, block: &[u8], changes: u64) -> Option<&Arc<RequestHead>> {
        let mut blocks = self.blocks.iter();
        let same = |seen: &&Seen| seen.changes == changes && *seen.block == *block;
        blocks.find(same).map(|seen| &seen.head)
    }

    /// Remembers a block that left the table as it was.
    pub(crate) fn put(&mut self, block: &[u8], changes: u64, head: &Arc<RequestHead>) {
        if block.len() > BLOCK_BYTES {
            return;
        }
        let seen = Seen { block: block.into(), changes, head: Arc::clone(head) };
        match self.blocks.get_mut(self.next) {
            Some(place) => *place = seen,
            None => self.blocks.push(seen),
        }
        self.next = (self.next + 1) % BLOCKS;
    }
}
