//! The keys of a key space and their newest versions, sorted, in memory.

mod block;
#[cfg(test)]
mod tests;

use block::Block;
pub(crate) use block::Head;
use types::KeyRange;

/// A sorted map from key to [`Head`], in blocks. Deleted keys stay until compaction drops them.
///
/// A lookup is two binary searches. An insert moves at most one block's bytes. A count adds up one
/// number per block.
#[derive(Default)]
pub(crate) struct KeyIndex {
    /// None is empty; their keys ascend.
    #[allow(clippy::vec_box, reason = "a new block moves all that follow: 8 bytes each, not 88")]
    blocks: Vec<Box<Block>>,
    /// How many keys of each block are not deleted: apart, because counting reads nothing else.
    live: Vec<u32>,
}

/// A place between two entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    block: usize,
    at: usize,
}

impl KeyIndex {
    /// The block that holds `key` or would hold it.
    fn block_for(&self, key: &[u8]) -> usize {
        self.blocks.partition_point(|block| block.key(0) <= key).saturating_sub(1)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Head> {
        let block = self.blocks.get(self.block_for(key))?;
        block.find(key).ok().map(|at| block.head(at))
    }

    /// [`Self::get`], but nothing for a deleted key.
    pub(crate) fn get_live(&self, key: &[u8]) -> Option<Head> {
        self.get(key).filter(|head| !head.deleted)
    }

    /// Sets `key`'s newest version.
    pub(crate) fn set(&mut self, key: &[u8], head: Head) {
        if self.blocks.is_empty() {
            self.add_block(0, Block::default(), key, 0, head);
            return;
        }
        let at_block = self.block_for(key);
        match self.blocks[at_block].find(key) {
            Ok(at) => self.blocks[at_block].set(at, head),
            Err(at) if self.blocks[at_block].has_room_for(key) => {
                self.blocks[at_block].insert(at, key, head);
            }
            // Keys that come in order, up or down, leave full blocks behind.
            Err(at) if at == 0 || at == self.blocks[at_block].len() => {
                let new = if at == 0 { at_block } else { at_block + 1 };
                self.add_block(new, Block::default(), key, 0, head);
                return;
            }
            Err(at) => {
                let middle = self.blocks[at_block].len() / 2;
                let right = self.blocks[at_block].split_off(middle);
                if at > middle {
                    self.add_block(at_block + 1, right, key, at - middle, head);
                } else {
                    self.blocks.insert(at_block + 1, Box::new(right));
                    self.live.insert(at_block + 1, 0);
                    self.recount(at_block + 1);
                    self.blocks[at_block].insert(at, key, head);
                }
            }
        }
        self.recount(at_block);
    }

    fn add_block(&mut self, at_block: usize, mut block: Block, key: &[u8], at: usize, head: Head) {
        block.insert(at, key, head);
        self.blocks.insert(at_block, Box::new(block));
        self.live.insert(at_block, 0);
        self.recount(at_block);
        if let Some(before) = at_block.checked_sub(1) {
            self.recount(before);
        }
    }

    fn recount(&mut self, block: usize) {
        #[allow(clippy::cast_possible_truncation, reason = "a block has at most 256 keys")]
        let live = self.blocks[block].live() as u32;
        self.live[block] = live;
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let at_block = self.block_for(key);
        let Some(block) = self.blocks.get_mut(at_block) else { return };
        let Ok(at) = block.find(key) else { return };
        block.remove(at);
        if block.len() == 0 {
            self.blocks.remove(at_block);
            self.live.remove(at_block);
            return;
        }
        self.recount(at_block);
        let left = at_block.saturating_sub(1);
        if left < at_block && self.blocks[left].fits_with(&self.blocks[at_block]) {
            let right = self.blocks.remove(at_block);
            self.live.remove(at_block);
            self.blocks[left].append(&right);
            self.recount(left);
        }
    }

    fn place(&self, key: &[u8]) -> Place {
        let block = self.block_for(key);
        let at = self.blocks.get(block).map_or(0, |it| it.lower_bound(key));
        Place { block, at }
    }

    fn bounds(&self, range: &KeyRange) -> (Place, Place) {
        let start = self.place(&range.start);
        let end = match &range.end {
            None => Place { block: self.blocks.len(), at: 0 },
            Some(end) => self.place(end),
        };
        (start, end.max(start))
    }

    /// How many keys of `range` are not deleted.
    pub(crate) fn count(&self, range: &KeyRange) -> usize {
        let (start, end) = self.bounds(range);
        let part = |block: usize, from: usize, to: usize| {
            let Some(it) = self.blocks.get(block) else { return 0 };
            (from..to.min(it.len())).filter(|at| !it.deleted(*at)).count()
        };
        if start.block == end.block {
            return part(start.block, start.at, end.at);
        }
        let whole: usize =
            self.live[start.block + 1..end.block].iter().map(|live| *live as usize).sum();
        part(start.block, start.at, usize::MAX) + whole + part(end.block, 0, end.at)
    }

    /// The keys of `range` in order, deleted ones too.
    pub(crate) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&[u8], Head)> {
        let (start, end) = self.bounds(range);
        let last = end.block.min(self.blocks.len().saturating_sub(1));
        (start.block..self.blocks.len().min(last + 1)).flat_map(move |block| {
            let it = &self.blocks[block];
            let from = if block == start.block { start.at } else { 0 };
            let to = if block == end.block { end.at } else { it.len() };
            (from..to).map(move |at| (it.key(at), it.head(at)))
        })
    }

    /// Bytes of memory in use, the allocator's own left out.
    pub(crate) fn memory(&self) -> usize {
        self.blocks.iter().map(|block| block.memory()).sum::<usize>()
            + self.blocks.capacity() * size_of::<Box<Block>>()
            + self.live.capacity() * size_of::<u32>()
    }
}
