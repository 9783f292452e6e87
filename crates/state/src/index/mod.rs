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
    /// The first key of each block: apart, so that finding a block touches none of the others.
    firsts: Vec<Box<[u8]>>,
    /// The [`block::prefix`] of each of these: apart, because most searches read nothing else.
    prefixes: Vec<u64>,
    /// How many keys of each block are not deleted: apart, because counting reads nothing else.
    live: Vec<u32>,
}

/// Where a key is, or would be. Good until the next change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    block: usize,
    at: Result<usize, usize>,
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
        let prefix = block::prefix(key);
        let below = self.prefixes.partition_point(|first| *first < prefix);
        let alike = self.prefixes[below..].partition_point(|first| *first == prefix);
        let first = &self.firsts[below..below + alike];
        (below + first.partition_point(|first| **first <= *key)).saturating_sub(1)
    }

    pub(crate) fn spot(&self, key: &[u8]) -> Spot {
        let block = self.block_for(key);
        let at = self.blocks.get(block).map_or(Err(0), |block| block.find(key));
        Spot { block, at }
    }

    pub(crate) fn head(&self, spot: Spot) -> Option<Head> {
        let block = self.blocks.get(spot.block)?;
        spot.at.ok().map(|at| block.head(at))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Head> {
        self.head(self.spot(key))
    }

    /// [`Self::get`], but nothing for a deleted key.
    pub(crate) fn get_live(&self, key: &[u8]) -> Option<Head> {
        self.get(key).filter(|head| !head.deleted)
    }

    /// Sets `key`'s newest version.
    pub(crate) fn set(&mut self, key: &[u8], head: Head) {
        self.set_at(self.spot(key), key, head);
    }

    /// The same, where `spot` is the key's.
    pub(crate) fn set_at(&mut self, spot: Spot, key: &[u8], head: Head) {
        let at_block = spot.block;
        let Some(block) = self.blocks.get_mut(at_block) else {
            return self.insert_block(0, Block::of(key, head));
        };
        match spot.at {
            Ok(at) => {
                block.set(at, head);
                self.live[at_block] = block.live();
                return;
            }
            Err(at) if block.has_room_for(key) => block.insert(at, key, head),
            // Keys that come in order, up or down, leave full blocks behind.
            Err(0) => return self.insert_block(at_block, Block::of(key, head)),
            Err(at) if at == block.len() => {
                return self.insert_block(at_block + 1, Block::of(key, head));
            }
            Err(at) => {
                let middle = block.len() / 2;
                let mut right = block.split_off(middle);
                if at > middle {
                    right.insert(at - middle, key, head);
                } else {
                    block.insert(at, key, head);
                }
                self.insert_block(at_block + 1, right);
            }
        }
        self.refresh(at_block);
    }

    fn insert_block(&mut self, at_block: usize, block: Block) {
        self.firsts.insert(at_block, block.key(0).into());
        self.prefixes.insert(at_block, block::prefix(block.key(0)));
        self.live.insert(at_block, block.live());
        self.blocks.insert(at_block, Box::new(block));
    }

    fn remove_block(&mut self, at_block: usize) {
        self.firsts.remove(at_block);
        self.prefixes.remove(at_block);
        self.live.remove(at_block);
        self.blocks.remove(at_block);
    }

    /// Takes over what is kept apart of a block that changed.
    fn refresh(&mut self, at_block: usize) {
        let block = &self.blocks[at_block];
        self.live[at_block] = block.live();
        if *block.key(0) != *self.firsts[at_block] {
            self.firsts[at_block] = block.key(0).into();
            self.prefixes[at_block] = block::prefix(block.key(0));
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let at_block = self.block_for(key);
        let Some(block) = self.blocks.get_mut(at_block) else { return };
        let Ok(at) = block.find(key) else { return };
        block.remove(at);
        if block.len() == 0 {
            return self.remove_block(at_block);
        }
        self.refresh(at_block);
        let Some((left, right)) = self.blocks[..=at_block]
            .split_last_chunk_mut::<2>()
            .map(|(_, [left, right])| (left, right))
        else {
            return;
        };
        if left.fits_with(right) {
            left.append(right);
            self.remove_block(at_block);
            self.refresh(at_block - 1);
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
            + self.firsts.iter().map(|first| first.len()).sum::<usize>()
            + self.firsts.capacity() * size_of::<Box<[u8]>>()
            + self.live.capacity() * size_of::<u32>()
            + self.prefixes.capacity() * size_of::<u64>()
    }
}
