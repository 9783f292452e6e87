//! What clients ask for most.

use region::HotKey;
use types::{KeyspaceId, RegionId};

use super::Handle;
use crate::hot;

/// What clients ask of a region through this node, from a sample of the last seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HotRegion {
    /// The region.
    pub region: RegionId,
    /// What it holds.
    pub keyspace: KeyspaceId,
    /// Requests per second.
    pub rate: u64,
    /// The keys that have the most of them, the hottest first, each with whether requests for it are
    /// refused above a bound. No more than [`region::HOT_KEYS`].
    pub keys: Vec<(HotKey, bool)>,
}

impl Handle {
    /// The regions that clients ask this node for anything of, the hottest first.
    #[must_use]
    pub fn hot_regions(&self) -> Vec<HotRegion> {
        let now = hot::second(&self.shared);
        let shards = self.shared.shards();
        let known = shards.iter().filter_map(|(region, shard)| {
            let (rate, keys) = shard.heat.rates(now)?;
            Some(HotRegion { region: *region, keyspace: shard.record.keyspace, rate, keys })
        });
        let mut known: Vec<_> = known.filter(|hot| hot.rate > 0).collect();
        known.sort_by_key(|hot| (u64::MAX - hot.rate, hot.region));
        known
    }
}
