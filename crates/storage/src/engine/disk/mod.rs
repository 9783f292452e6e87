//! The engine on disk: overlays in memory over sorted tables, and no journal. The raft log has what
//! a crash takes from the overlays.

mod open;
mod options;
mod overlays;
mod pending;
mod pin;
mod record;
mod rows;
mod split;
mod steady;
mod stop;
mod sweep;
mod tables;
mod view;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Joined;
use parking_lot::Mutex;
use types::{Batch, Garbage, ReadFailure, Reader};

use super::contract::{Engine, EngineStats, Snapshot, check_lengths, clear_range, remove};
use super::error::Error;
use super::latch::Latch;
use overlays::{Found, Overlays};
use record::Record;
use sweep::Step;
use tables::Tables;
use view::{View, get_from_tables};
use worker::OVERLAPPING_MANY;

pub use options::{DiskOptions, Family};

/// Fewer records are removed one by one.
const FEW: u64 = 4_096;

/// Records in memory until there are enough of them for a table. See `docs/architecture/storage.md`
/// for how it is tuned and why.
pub struct DiskEngine {
    tables: Arc<Tables>,
    overlays: Arc<Overlays>,
    latch: Arc<Latch>,
    workers: Mutex<Vec<Joined>>,
    /// Who holds it stops merges in their midst.
    #[cfg(test)]
    gate: Arc<Mutex<()>>,
}

impl Reader for DiskEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.latch.check_read()?;
        match self.overlays.find(key) {
            Found::Here(value) => Ok(value),
            Found::Below(pin) => get_from_tables(&pin, key, &self.latch),
        }
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

impl Engine for DiskEngine {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        self.latch.check()?;
        check_lengths(&batch)?;
        self.overlays.put(Record::copied(&batch), &self.latch)
    }

    fn persist(&self) -> Result<(), Error> {
        self.latch.check()?;
        self.overlays.flush_all(&self.latch)
    }

    fn flush_soon(&self) {
        self.overlays.flush_soon();
    }

    fn let_merge(&self, most: Duration) {
        let is_behind = || self.tables.overlapping() > OVERLAPPING_MANY && !self.latch.is_closed();
        self.overlays.wait_while(most, is_behind);
    }

    fn let_flush(&self, most: Duration) {
        self.overlays.wait_while(most, || self.overlays.is_half_full() && !self.latch.is_closed());
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(self.view())
    }

    fn durable(&self) -> Box<dyn Snapshot> {
        let pin = self.overlays.pin();
        let latch = Arc::clone(&self.latch);
        Box::new(View { overlays: Vec::new(), pin, tables_end: None, latch })
    }

    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error> {
        clear_range(self, start, end)
    }

    fn sweep(&self, start: &[u8], end: &[u8], garbage: &dyn Garbage) -> Result<bool, Error> {
        self.latch.check()?;
        if garbage.count() < FEW || (self.tables.family)(start).is_none() {
            return remove(self, start, end, garbage);
        }
        let failed = |error| {
            self.latch.failed("sweep", error);
            self.latch.check()
        };
        let mut from = start.to_vec();
        loop {
            let step = match self.tables.sweep((start, end), &from, garbage) {
                Err(_) if self.tables.is_stopping() || !garbage.is_wanted() => return Ok(false),
                Err(error) => return failed(error).map(|()| false),
                Ok(step) => step,
            };
            match step {
                Step::Done => return Ok(true),
                Step::Again => {}
                Step::Rewritten(next) => {
                    self.overlays.compacted(self.tables.pin());
                    self.tables.forget_merged().or_else(failed)?;
                    from = next;
                }
                Step::Others(next) => {
                    if !remove(self, &from, end.min(&next), garbage)? {
                        return Ok(false);
                    }
                    // What comes later must not be gone for good before this is.
                    self.persist()?;
                    from = next;
                }
            }
        }
    }

    fn stats(&self) -> EngineStats {
        let overlay_bytes = self.overlays.bytes();
        let resident_bytes = self.overlays.resident_bytes();
        let cache_bytes = self.tables.cache_bytes();
        EngineStats {
            disk_bytes: self.tables.disk_bytes(),
            memory_bytes: overlay_bytes + resident_bytes + cache_bytes,
            overlay_bytes,
            resident_bytes,
            cache_bytes,
            tables: self.tables.count(),
            latched: self.latch.is_closed(),
        }
    }
}

impl DiskEngine {
    fn view(&self) -> View {
        let (overlays, pin) = self.overlays.freeze_view();
        let tables_end = self.overlays.resident_from();
        View { overlays, pin, tables_end, latch: Arc::clone(&self.latch) }
    }
}

impl Drop for DiskEngine {
    /// What is not persisted is lost, as in a crash.
    fn drop(&mut self) {
        self.tables.stop();
        self.overlays.stop();
        for worker in self.workers.get_mut().drain(..) {
            worker();
        }
    }
}
