//! What was committed, as the watch hub reads it back for those who are behind.

use std::sync::{Arc, OnceLock, Weak};

use state::response::{KeyValue, Position};
use types::{Code, Fault, KeyRange, RegionId, Revision};

use crate::shard::Shard;
use crate::shared::Shared;
use crate::watch::{History, Page};

/// Records read in one page at most, whether they match or not.
const PAGE_RECORDS: usize = 4096;

/// The node's kept history; set once the node exists, since the hub is made before it.
#[derive(Default)]
pub(crate) struct NodeHistory(OnceLock<Weak<Shared>>);

impl NodeHistory {
    pub(crate) fn set(&self, shared: &Arc<Shared>) {
        drop(self.0.set(Arc::downgrade(shared)));
    }

    fn shared(&self) -> Result<Arc<Shared>, Fault> {
        self.0.get().and_then(Weak::upgrade).ok_or_else(|| Code::ShuttingDown.into())
    }

    fn shard(&self, region: RegionId) -> Result<(Arc<Shared>, Arc<Shard>), Fault> {
        let shared = self.shared()?;
        let shard = shared.shard(region).ok_or(Code::RegionNotFound)?;
        Ok((shared, shard))
    }
}

impl History for NodeHistory {
    fn revision(&self, region: RegionId) -> Revision {
        self.shard(region).map_or(Revision(0), |(_, shard)| shard.revision())
    }

    fn compacted(&self, region: RegionId) -> Revision {
        self.shard(region).map_or(Revision(0), |(_, shard)| shard.compacted())
    }

    fn page(
        &self,
        region: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
        max_bytes: usize,
    ) -> Result<Page, Fault> {
        let (shared, shard) = self.shard(region)?;
        let view = {
            let machine = shard.machine.read();
            if from < machine.compacted() {
                return Err(Code::Compacted.into());
            }
            shared.engine.snapshot()
        };
        let page =
            state::history::page(view.as_ref(), region, from, to, range, max_bytes, PAGE_RECORDS)
                .map_err(|error| Fault::new(Code::Corrupt, error.to_string()))?;
        Ok(Page { events: page.events, next: page.next })
    }

    fn record(&self, region: RegionId, position: Position) -> Result<Option<KeyValue>, Fault> {
        let (shared, shard) = self.shard(region)?;
        // Held, so that no snapshot is put in the place of what is read.
        let _machine = shard.machine.read();
        state::history::record_at(shared.engine.as_ref(), region, position)
            .map_err(|error| Fault::new(Code::Corrupt, error.to_string()))
    }
}
