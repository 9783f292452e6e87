//! Configurations: their keyspace, and who asks for them.

use state::command::Command;
use state::directory::{Directory, KeyspaceRecord};
use types::{Code, Fault, KeyspaceId, RegionId};

use super::Handle;
use super::commands::APPEAR;
use crate::forward;

impl Handle {
    /// The keyspace that configurations are in; made if it is not there.
    ///
    /// # Errors
    /// `Unsupported` where a keyspace of that name is of another kind; `LimitReached`, and as
    /// [`Self::propose`].
    pub async fn configuration_keyspace(&self) -> Result<KeyspaceId, Fault> {
        let found = self.shared.with_directory(|directory| named(directory).cloned());
        if let Some(found) = found {
            return ordered(&found);
        }
        // Once that is there, the cluster is formed and the directory told.
        self.ready_shard(KeyspaceId::DEFAULT).await?;
        let mut directory = self.shared.watch_directory();
        if named(&self.shared.directory()).is_none() {
            let command = Command::CreateKeyspace { name: configuration::KEYSPACE.to_owned() };
            let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
            let applied = forward::propose(&self.shared, &meta, command).await?;
            if let Err(fault) = applied.outcome.result
                // Somebody else was first.
                && fault.code != Code::KeyspaceExists
            {
                return Err(fault);
            }
        }
        let mut found = None;
        let appeared = directory.wait_for(|directory| {
            found = named(directory).cloned();
            found.is_some()
        });
        drop(tokio::time::timeout(APPEAR, appeared).await);
        let keyspace = ordered(&found.ok_or(Code::Timeout)?)?;
        drop(tokio::time::timeout(APPEAR, self.ready(keyspace)).await);
        Ok(keyspace)
    }
}

/// The keyspace that has configurations, if there is one.
pub(crate) fn configurations_in(directory: &Directory) -> Option<KeyspaceId> {
    named(directory).and_then(|record| ordered(record).ok())
}

/// The keyspace, if there is one called so.
fn named(directory: &Directory) -> Option<&KeyspaceRecord> {
    directory.keyspace_named(configuration::KEYSPACE)
}

/// Its number, if it is one of keys in order.
fn ordered(record: &KeyspaceRecord) -> Result<KeyspaceId, Fault> {
    if record.is_sharded() || record.machine.is_some() {
        let name = configuration::KEYSPACE;
        return Err(Fault::new(
            Code::Unsupported,
            format!(
                "configurations need the keyspace `{name}` to be an ordered one, and it is not"
            ),
        ));
    }
    Ok(record.id)
}
