//! What the oracles look at, and what dies with the process.

use bytes::Bytes;
use state::request::RangeRequest;
use types::{KeyRange, RegionId};

use super::shards::HOME;
use super::{Running, Shard};
use crate::client::number;
use crate::sky::Sky;

impl Running {
    /// The replica here that has the key.
    fn owner(&self, region: RegionId, key: &Bytes) -> Option<&Shard> {
        let own = self.shards.get(&region);
        if region != HOME || own.is_some_and(|shard| !shard.machine.is_sharded()) {
            return own;
        }
        let owns =
            |shard: &&Shard| shard.machine.shape().is_some_and(|shape| shape.range.contains(key));
        self.shards.values().find(owns)
    }

    /// Whether a replica here has the key.
    pub(crate) fn owns(&self, region: RegionId, key: &Bytes) -> bool {
        self.owner(region, key).is_some()
    }

    /// The number in a key, as applied here.
    pub(crate) fn value(&self, region: RegionId, key: &Bytes) -> Option<u64> {
        let shard = self.owner(region, key)?;
        let range = KeyRange::single(key);
        let request = RangeRequest { range, ..RangeRequest::default() };
        let found = shard.machine.select(&request).ok()?.fetch(self.engine.as_ref()).ok()?;
        found.kvs.first().and_then(|kv| number(&kv.value))
    }

    /// The process ends: whoever waits here is never told.
    pub(super) fn forget_everything(self, sky: &mut Sky) {
        let waiting = self.to_write.len() + self.to_apply.len();
        sky.note(self.node, "forgets", [self.life, waiting as u64, 0, 0]);
    }
}
