//! The regions led here in which something may end: of many regions most have no lease.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use types::RegionId;

use crate::shard::Shard;

/// Looked at ten times a second, so that all the others need not be.
#[derive(Default)]
pub(crate) struct Deadlines(Mutex<BTreeMap<RegionId, Arc<Shard>>>);

impl Deadlines {
    /// The region's clock has, or may have, something to end from here on: called after it has.
    pub(crate) fn note(&self, shard: &Arc<Shard>) {
        let mut regions = self.0.lock();
        let known = regions.get(&shard.record.id);
        if known.is_none_or(|known| !Arc::ptr_eq(known, shard)) {
            regions.insert(shard.record.id, Arc::clone(shard));
        }
    }

    /// Those in which something may end.
    pub(crate) fn regions(&self) -> Vec<Arc<Shard>> {
        let mut regions = self.0.lock();
        regions.retain(|_, shard| shard.has_deadlines());
        regions.values().cloned().collect()
    }
}
