use ::fjall::compaction::Leveled;
use ::fjall::config::{BlockSizePolicy, CompressionPolicy};
use ::fjall::{CompressionType, KeyspaceCreateOptions};

const MIB: u64 = 1024 * 1024;

/// How much memory the engine may use, and whether it compresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FjallOptions {
    /// Memory for the block cache and for records not yet in a table, together. Half goes to the
    /// cache; the other half is four memtables: one filling, up to three on their way to disk.
    /// At least 8 MiB; 64 MiB by default. Indexes and filters come on top (about 1% of the data).
    pub memory_bytes: u64,
    /// Whether blocks are compressed with LZ4. Decided when the directory is made; later values are
    /// ignored.
    pub compress: bool,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self { memory_bytes: 64 * MIB, compress: true }
    }
}

impl FjallOptions {
    fn memory_bytes(&self) -> u64 {
        self.memory_bytes.max(8 * MIB)
    }

    pub(super) fn cache_bytes(&self) -> u64 {
        self.memory_bytes() / 2
    }

    pub(super) fn memtable_bytes(&self) -> u64 {
        self.memory_bytes() / 8
    }

    pub(super) fn keyspace(self) -> KeyspaceCreateOptions {
        let compression = if self.compress {
            // All levels: records written in order are moved down without being rewritten, so a
            // policy that leaves out the first levels would never compress anything.
            CompressionPolicy::all(CompressionType::Lz4)
        } else {
            CompressionPolicy::all(CompressionType::None)
        };
        KeyspaceCreateOptions::default()
            // `fjall` asks its worker for a rotation on every write above this size. With a worker
            // that is busy compacting, the memtable then grows without bound, and the requests fill
            // the worker's queue until it waits for itself. So it never asks; `write` rotates.
            .max_memtable_size(u64::MAX)
            .data_block_size_policy(BlockSizePolicy::all(4 * 1024))
            .data_block_compression_policy(compression)
            // Smaller tables make shorter compactions, and the one worker flushes between them.
            .compaction_strategy(std::sync::Arc::new(
                Leveled::default().with_table_target_size(32 * MIB),
            ))
    }
}
