//! The engine in memory, for tests, the simulator and nodes that need no disk.

use bytes::Bytes;
use parking_lot::RwLock;
use types::{Batch, Op, ReadFailure, Reader};

use super::contract::{Engine, EngineStats, Snapshot, check_lengths, clear_range};
use super::error::Error;
use super::tree::{Item, Tree};

/// Records in a persistent tree: a snapshot shares its nodes, and a write copies only the shared
/// nodes on its path. Nothing survives the process. What it does depends on nothing but the calls.
#[derive(Default)]
pub struct MemoryEngine {
    tree: RwLock<Tree<Record>>,
}

/// What a record costs beside its key and value, roughly, in bytes.
const OVERHEAD: u64 = 96;

#[derive(Clone)]
struct Record(Bytes, Bytes);

impl Item for Record {
    fn key(&self) -> &[u8] {
        &self.0
    }

    fn bound(&self) -> Bytes {
        self.0.clone()
    }

    fn cost(&self) -> u64 {
        (self.0.len() + self.1.len()) as u64 + OVERHEAD
    }
}

fn scan(
    tree: &Tree<Record>,
    start: &[u8],
    end: &[u8],
    visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
) {
    for Record(key, value) in tree.from(start) {
        if key.as_ref() >= end || !visit(key.clone(), value.clone()) {
            return;
        }
    }
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
        Ok(self.tree.read().get(key).map(|record| record.1.clone()))
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        // Not under the lock: `visit` may write.
        let tree = self.tree.read().clone();
        scan(&tree, start, end, visit);
        Ok(())
    }
}

impl Engine for MemoryEngine {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        check_lengths(&batch)?;
        let mut tree = self.tree.write();
        for op in batch.ops {
            match op {
                Op::Put(key, value) => tree.put(Record(key, value)),
                Op::Delete(key) => tree.delete(&key),
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), Error> {
        Ok(())
    }

    fn flush_soon(&self) {}

    /// Nothing outlives the process; but the process is all there is, as for [`Engine::persist`].
    fn durable(&self) -> Box<dyn Snapshot> {
        self.snapshot()
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
        EngineStats { memory_bytes, overlay_bytes: memory_bytes, ..EngineStats::default() }
    }
}

struct View(Tree<Record>);

impl Reader for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        Ok(self.0.get(key).map(|record| record.1.clone()))
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        scan(&self.0, start, end, visit);
        Ok(())
    }
}
