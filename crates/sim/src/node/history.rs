//! What `node::history` does: the kept history, as the watch hub reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use state::Machine;
use state::response::{KeyValue, Position};
use storage::engine::Engine;
use types::{Code, Fault, KeyRange, RegionId, Revision};

use crate::engine::SimEngine;
use crate::watch::{History, Page, WatchLimits};

/// Records looked at for one page at most.
const PAGE_RECORDS: usize = 24;

/// Small, so that watches fall behind.
pub(super) fn limits() -> WatchLimits {
    WatchLimits {
        queue_batches: 6,
        queue_bytes: 16 << 10,
        message_bytes: 4 << 10,
        page_bytes: 4 << 10,
        ..WatchLimits::default()
    }
}

/// The newest and the oldest kept revision of each region, and the engine.
pub(super) struct SimHistory {
    revisions: Mutex<BTreeMap<RegionId, (Revision, Revision)>>,
    engine: Arc<SimEngine>,
}

impl SimHistory {
    pub(super) fn new(engine: Arc<SimEngine>) -> Self {
        Self { revisions: Mutex::default(), engine }
    }

    pub(super) fn note(&self, region: RegionId, machine: &Machine) {
        let now = (machine.revision(), machine.compacted());
        self.revisions.lock().insert(region, now);
    }

    fn of(&self, region: RegionId) -> (Revision, Revision) {
        self.revisions.lock().get(&region).copied().unwrap_or_default()
    }
}

impl History for SimHistory {
    fn revision(&self, region: RegionId) -> Revision {
        self.of(region).0
    }

    fn compacted(&self, region: RegionId) -> Revision {
        self.of(region).1
    }

    fn page(
        &self,
        region: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
        max_bytes: usize,
    ) -> Result<Page, Fault> {
        if from < self.compacted(region) {
            return Err(Code::Compacted.into());
        }
        let view = self.engine.snapshot();
        let page =
            state::history::page(view.as_ref(), region, from, to, range, max_bytes, PAGE_RECORDS)
                .map_err(|error| Fault::new(Code::Corrupt, error.to_string()))?;
        Ok(Page { events: page.events, next: page.next })
    }

    fn record(&self, region: RegionId, position: Position) -> Result<Option<KeyValue>, Fault> {
        state::history::record_at(self.engine.as_ref(), region, position)
            .map_err(|error| Fault::new(Code::Corrupt, error.to_string()))
    }
}
