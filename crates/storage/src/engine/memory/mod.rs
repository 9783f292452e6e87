//! The engine in memory, for tests, the simulator and nodes that need no disk.

mod tree;

use bytes::Bytes;
use parking_lot::RwLock;
use types::{Batch, Op, ReadFailure, Reader};

use super::contract::{Engine, EngineStats, Snapshot, check_lengths, clear_range};
use super::error::Error;
use tree::Tree;

/// Records in a persistent tree: a snapshot shares its nodes, and a write copies only the shared
/// nodes on its path. Nothing survives the process. What it does depends on nothing but the calls.
#[derive(Default)]
pub struct MemoryEngine {
    tree: RwLock<Tree>,
}

impl MemoryEngine {
    /// An engine without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Reader for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        Ok(self.tree.read().get(key).cloned())
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        // Not under the lock: `visit` may write.
        let tree = self.tree.read().clone();
        tree.scan(start, end, visit);
        Ok(())
    }
}

impl Engine for MemoryEngine {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        check_lengths(&batch)?;
        let mut tree = self.tree.write();
        for op in batch.ops {
            match op {
                Op::Put(key, value) => tree.put(key, value),
                Op::Delete(key) => tree.delete(&key),
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), Error> {
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(View(self.tree.read().clone()))
    }

    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error> {
        clear_range(self, start, end)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn stats(&self) -> EngineStats {
        let memory_bytes = self.tree.read().bytes();
        EngineStats { memory_bytes, memtable_bytes: memory_bytes, ..EngineStats::default() }
    }
}

struct View(Tree);

impl Reader for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.0.scan(start, end, visit);
        Ok(())
    }
}
