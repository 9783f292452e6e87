//! The engine on disk: one `fjall` database with one keyspace.

mod open;
mod options;
mod read;
mod write;

use std::sync::Arc;

use ::fjall::{Database, Keyspace};
use bytes::Bytes;
use parking_lot::Mutex;
use types::{Batch, ReadFailure, Reader};

use super::contract::{Engine, EngineStats, KEY_BYTES_MAX, Snapshot, clear_range};
use super::error::Error;
use super::latch::Latch;
use read::View;

pub use options::FjallOptions;

/// Records in one `fjall` keyspace. See `docs/architecture/storage.md` for how it is tuned and why.
pub struct FjallEngine {
    database: Database,
    keyspace: Keyspace,
    latch: Arc<Latch>,
    memtable_bytes: u64,
    /// Held from the check for room to the rotation of the memtable, so that the bound on memory
    /// holds with many writers too. `fjall` orders writers by a lock of its own anyway.
    writer: Mutex<()>,
}

impl Reader for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.latch.check_read()?;
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let found = self.keyspace.get(key).map_err(|error| self.latch.failed_read(&error))?;
        Ok(found.map(Bytes::from))
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.view().scan(start, end, visit)
    }
}

impl Engine for FjallEngine {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        self.write_batch(&batch)
    }

    fn persist(&self) -> Result<(), Error> {
        self.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(self.view())
    }

    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error> {
        clear_range(self, start, end)
    }

    fn stats(&self) -> EngineStats {
        let journal_bytes = self.database.journal_disk_space().unwrap_or_default();
        let memtable_bytes = self.database.write_buffer_size();
        let cache_bytes = self.database.cache_size();
        EngineStats {
            disk_bytes: journal_bytes + self.keyspace.disk_space(),
            journal_bytes,
            memory_bytes: memtable_bytes + cache_bytes,
            memtable_bytes,
            cache_bytes,
            tables: self.keyspace.table_count() as u64,
            latched: self.latch.is_closed(),
        }
    }
}

impl FjallEngine {
    fn view(&self) -> View {
        View::new(self.keyspace.clone(), self.database.snapshot(), Arc::clone(&self.latch))
    }
}
