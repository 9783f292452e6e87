//! The registry's keyspaces.

use std::sync::Arc;

use state::command::{Command, level};
use state::registry::MACHINE;
use types::{Code, Fault, KeyspaceId, RegionId};

use super::super::Handle;
use super::super::commands::APPEAR;
use crate::registry::Parts;
use crate::shard::Shard;
use crate::{forward, levels};

impl Handle {
    /// The keyspace of the registry, or of its home; made if it is not there, sharded as this node's settings
    /// say.
    ///
    /// # Errors
    /// As [`Self::machine_keyspace`].
    pub async fn registry_keyspace(&self) -> Result<KeyspaceId, Fault> {
        if let Some(parts) = self.shared.registry_parts() {
            return Ok(parts.home);
        }
        if self.shared.config.registry_shards > 0 {
            self.make_sharded().await?;
        }
        self.machine_keyspace(MACHINE, MACHINE).await
    }

    async fn make_sharded(&self) -> Result<(), Fault> {
        let shards = self.shared.config.registry_shards;
        let command = Command::CreateRegistry { shards };
        state::check(&command)?;
        // Once that is there, the cluster is formed and the directory told.
        self.ready_shard(KeyspaceId::DEFAULT).await?;
        let is_made = || self.shared.registry_parts().is_some();
        if is_made() {
            return Ok(());
        }
        levels::settle(&self.shared, level::REGISTRY_SHARDS).await;
        levels::must_be_used(&self.shared, level::REGISTRY_SHARDS)?;
        let mut directory = self.shared.watch_directory();
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let applied = forward::propose(&self.shared, &meta, command).await?;
        let refused = applied.outcome.result.err();
        // Somebody else was first; or a keyspace has the name of a shard.
        if let Some(fault) = refused.clone().filter(|fault| fault.code != Code::KeyspaceExists) {
            return Err(fault);
        }
        let appeared = directory.wait_for(|directory| directory.keyspace_named(MACHINE).is_some());
        drop(tokio::time::timeout(APPEAR, appeared).await);
        let Some(parts) = self.shared.registry_parts() else {
            return Err(refused.unwrap_or_else(|| Code::Timeout.into()));
        };
        for keyspace in parts.all() {
            drop(tokio::time::timeout(APPEAR, self.ready(keyspace)).await);
        }
        Ok(())
    }

    /// The parts of the registry, where `keyspace` is its home and it is sharded.
    pub(crate) fn sharded_registry(&self, keyspace: KeyspaceId) -> Option<Arc<Parts>> {
        let parts = self.shared.registry_parts()?;
        (parts.is_sharded() && parts.home == keyspace).then_some(parts)
    }

    /// Each part of the registry that `keyspace` is the home of; that alone, where it is none.
    pub(crate) async fn registry_shards(
        &self,
        keyspace: KeyspaceId,
    ) -> Result<Vec<Arc<Shard>>, Fault> {
        let Some(parts) = self.sharded_registry(keyspace) else {
            return Ok(vec![self.registry_shard(keyspace).await?]);
        };
        let mut all = Vec::with_capacity(1 + parts.shards.len());
        for keyspace in parts.all() {
            all.push(self.registry_shard(keyspace).await?);
        }
        Ok(all)
    }

    pub(crate) async fn registry_shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        Ok(shard)
    }
}
