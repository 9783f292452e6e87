//! What a caller can wait for: leaders, changes, the node's end.

use std::time::Duration;

use types::{Fault, KeyspaceId};

use super::Handle;
use crate::failure::Failure;
use crate::flight::Sample;
use crate::meters::Meters;
use crate::sharded;
use crate::space::Room;
use crate::watch::{WatchControl, WatchMessages};

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

    /// Whether a leader of the keyspace is known (etcd's `hasleader` metadata); of a sharded one, of each of
    /// its regions.
    #[must_use]
    pub fn has_leader(&self, keyspace: KeyspaceId) -> bool {
        if self.shared.is_sharded(keyspace) {
            return sharded::has_leaders(&self.shared, keyspace);
        }
        self.shard(keyspace).is_ok_and(|shard| shard.leadership().leader.is_some())
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

    /// The room on the disk of the data directory, as of the last half second.
    #[must_use]
    pub fn room(&self) -> Room {
        self.shared.space.room()
    }
}
