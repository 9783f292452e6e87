//! What a caller can wait for: leaders, changes, the node's end.

use std::sync::Arc;
use std::time::Duration;

use types::{Code, Fault, KeyspaceId, RegionId};

use super::Handle;
use crate::answer::Header;
use crate::failure::Failure;
use crate::flight::{Sample, Timeline, read as read_flight};
use crate::meters::Meters;
use crate::shard::Shard;
use crate::sharded;
use crate::space::{MemoryRoom, Room};
use crate::watch::{WatchControl, WatchMessages, WatchSight};

/// Between two looks whether a region is here by now.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Handle {
    /// Opens a set of watches on a keyspace.
    ///
    /// # Errors
    /// `KeyspaceNotFound`, `LimitReached`.
    pub fn watch(&self, keyspace: KeyspaceId) -> Result<(WatchControl, WatchMessages), Fault> {
        let shard = self.shard(keyspace)?;
        shard.keys_only()?;
        self.shared.hub.open(shard.record.id)
    }

    /// Opens a set of watches on one region of a sharded keyspace, if this node has a replica of it. They see
    /// the revisions of that region, and end when their keys are another one's.
    ///
    /// # Errors
    /// `RegionNotFound` if it is not here, or not one of the keyspace; `Unsupported` where that is not
    /// sharded; `LimitReached`.
    pub fn watch_region(
        &self,
        keyspace: KeyspaceId,
        region: RegionId,
    ) -> Result<(WatchControl, WatchMessages), Fault> {
        self.region(keyspace, region)?;
        self.shared.hub.open_share(region)
    }

    /// Whether this node knows a leader of the region, which it has a replica of.
    #[must_use]
    pub fn is_led(&self, keyspace: KeyspaceId, region: RegionId) -> bool {
        let shard = self.region(keyspace, region);
        shard.is_ok_and(|shard| shard.leadership().leader.is_some())
    }

    /// Answers when a region has no known leader any more; at once if it has none.
    pub async fn region_leader_lost(&self, keyspace: KeyspaceId, region: RegionId) {
        let Ok(shard) = self.region(keyspace, region) else { return };
        drop(shard.watch_leadership().wait_for(|now| now.leader.is_none()).await);
    }

    /// The header of an answer of a region.
    #[must_use]
    pub fn region_header(&self, keyspace: KeyspaceId, region: RegionId) -> Header {
        match self.region(keyspace, region) {
            Ok(shard) => self.header_of(&shard),
            Err(_) => Header { member: self.shared.node(), ..Header::default() },
        }
    }

    fn region(&self, keyspace: KeyspaceId, region: RegionId) -> Result<Arc<Shard>, Fault> {
        if let Some(reason) = self.shared.failed() {
            return Err(Fault::new(Code::ShuttingDown, reason));
        }
        if self.shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        if !self.shared.is_sharded(keyspace) {
            let detail = "an ordered keyspace is watched as a whole, not by region";
            return Err(Fault::new(Code::Unsupported, detail));
        }
        let shard = self.shared.shard(region);
        let shard = shard.filter(|shard| shard.record.keyspace == keyspace);
        let detail = || format!("region {region} is not on this node");
        let shard = shard.ok_or_else(|| Fault::new(Code::RegionNotFound, detail()))?;
        shard.broken()?;
        Ok(shard)
    }

    /// Whether a leader of the keyspace is known (etcd's `hasleader` metadata); of a sharded one, of each of
    /// its regions, and of a sharded registry, of each of its parts.
    #[must_use]
    pub fn has_leader(&self, keyspace: KeyspaceId) -> bool {
        if self.shared.is_sharded(keyspace) {
            return sharded::has_leaders(&self.shared, keyspace);
        }
        let is_led = |shard: &Shard| shard.leadership().leader.is_some();
        let Ok(shard) = self.shard(keyspace) else { return false };
        let parts = shard.registry.as_ref().and_then(|_| self.sharded_registry(keyspace));
        let mut parts = parts.iter().flat_map(|parts| parts.shards.iter().copied());
        is_led(&shard) && parts.all(|part| self.shard(part).is_ok_and(|shard| is_led(&shard)))
    }

    /// Answers when the keyspace has no known leader any more; at once if it has none.
    pub async fn leader_lost(&self, keyspace: KeyspaceId) {
        let Ok(shard) = self.shard(keyspace) else { return };
        drop(shard.watch_leadership().wait_for(|now| now.leader.is_none()).await);
    }

    /// Answers when the keyspace exists here and has a leader.
    pub async fn ready(&self, keyspace: KeyspaceId) {
        let mut directory = self.shared.watch_directory();
        loop {
            if self.shared.is_sharded(keyspace) && self.has_leader(keyspace) {
                return;
            }
            if let Ok(shard) = self.shard(keyspace) {
                drop(shard.watch_leadership().wait_for(|now| now.leader.is_some()).await);
                return;
            }
            // Its first snapshot changes no directory.
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_AGAIN, directory.changed()).await {
                return;
            }
        }
    }

    /// Answers with the reason when the node can serve no longer.
    pub async fn failed(&self) -> Failure {
        let mut watch = self.shared.watch_failure();
        let failure = watch.wait_for(Option::is_some).await;
        let failure = failure.ok().and_then(|failure| failure.clone());
        failure.unwrap_or_else(|| Failure::bug("the node is gone".to_owned()))
    }

    /// What the node counts of its work.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// The node as a whole, as of the last second.
    #[must_use]
    pub fn sample(&self) -> Sample {
        self.shared.flight.last()
    }

    /// Lets the flight recorder see every panic of this process, for as long as it runs. For the
    /// program that hosts the node: the hook is the process's, not the node's.
    pub fn record_panics(&self) {
        crate::flight::record_panics(&self.shared);
    }

    /// Where the node keeps everything.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.shared.config.data_dir
    }

    /// What the flight recorder has written, read from the disk.
    ///
    /// # Errors
    /// When the files cannot be read; damage in them is no error.
    pub async fn flight(&self) -> std::io::Result<Timeline> {
        let shared = Arc::clone(&self.shared);
        let read = move || read_flight(shared.disk.as_ref(), &shared.config.data_dir);
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// How many watches there are on this node, and the first `most` of them, or of a keyspace's.
    #[must_use]
    pub fn watches(&self, keyspace: Option<KeyspaceId>, most: usize) -> (u64, Vec<WatchSight>) {
        let shards = self.shared.shards();
        let of = |region| shards.get(&region).map(|shard| shard.record.keyspace);
        self.shared.hub.sight(most, |region| keyspace.is_none() || of(region) == keyspace)
    }

    /// The room on the disk of the data directory, as of the last half second.
    #[must_use]
    pub fn room(&self) -> Room {
        self.shared.space.room()
    }

    /// The memory of the keyspaces that are kept there, as of the last half second.
    #[must_use]
    pub fn memory_room(&self) -> MemoryRoom {
        self.shared.space.memory_room()
    }
}
