//! What the oracles look at, and what dies with the process.

use bytes::Bytes;
use state::request::RangeRequest;
use types::{KeyRange, RegionId};

use super::Running;
use super::shards::HOME;
use crate::client::number;
use crate::sky::Sky;

impl Running {
    /// The number in a key, as applied here.
    pub(crate) fn value(&self, region: RegionId, key: &Bytes) -> Option<u64> {
        let owns = |shard: &&super::Shard| {
            shard.machine.shape().is_some_and(|shape| shape.range.contains(key))
        };
        let shard = match self.shards.values().find(owns).filter(|_| region == HOME) {
            Some(shard) => shard,
            None => self.shards.get(&region)?,
        };
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
