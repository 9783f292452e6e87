use std::path::Path;
use std::sync::Arc;

use lsm_tree::compaction::Leveled;
use lsm_tree::config::{BlockSizePolicy, CompressionPolicy};
use lsm_tree::{Cache, CompressionType, Config};

use super::tables::Counters;

const MIB: u64 = 1024 * 1024;

/// Tells the length of the prefix by which a key belongs to a family of records that are written in
/// ascending order, each once; `None` if it belongs to none. The same for the life of a directory.
pub type Family = fn(&[u8]) -> Option<usize>;

/// How much memory the engine may use, and how it lays out records.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// Memory for the block cache and for records not yet in a table, together. Half goes to the
    /// cache; a quarter is for the records that are collected, a quarter for those on their way to a
    /// table. At least 8 MiB; 64 MiB by default. Indexes and filters come on top (about 1% of the
    /// data).
    pub memory_bytes: u64,
    /// Whether blocks are compressed with LZ4.
    pub compress: bool,
    /// Which records lie in runs that need no merging. Others may be in no order: this is about cost
    /// only.
    pub family: Family,
    /// Records with keys from this one on are all in memory, beside what `memory_bytes` bounds: the disk
    /// has them for the next start only. None of them is of a family.
    pub resident_from: Option<&'static [u8]>,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { memory_bytes: 64 * MIB, compress: true, family: |_| None, resident_from: None }
    }
}

impl DiskOptions {
    fn memory_bytes(&self) -> u64 {
        self.memory_bytes.max(8 * MIB)
    }

    /// Memory of one overlay, in bytes.
    pub(super) fn overlay_bytes(&self) -> u64 {
        self.memory_bytes() / 4
    }

    pub(super) fn cache(&self) -> Arc<Cache> {
        Arc::new(Cache::with_capacity_bytes(self.memory_bytes() / 2))
    }

    pub(super) fn tree(&self, directory: &Path, counters: &Counters, cache: &Arc<Cache>) -> Config {
        // All levels: records written in order are moved down without being rewritten, so a policy
        // that leaves out the first levels would never compress anything.
        let compression = match self.compress {
            true => CompressionPolicy::all(CompressionType::Lz4),
            false => CompressionPolicy::all(CompressionType::None),
        };
        Config::new(directory, counters.written.clone(), counters.visible.clone())
            .use_cache(Arc::clone(cache))
            .data_block_size_policy(BlockSizePolicy::all(4 * 1024))
            .data_block_compression_policy(compression)
    }

    /// Smaller tables make shorter compactions.
    pub(super) fn compaction() -> Arc<Leveled> {
        Arc::new(Leveled::default().with_table_target_size(32 * MIB))
    }
}
