//! Commands: what changes something.

use std::time::Duration;

use state::command::Command;
use state::directory::KeyspaceRecord;
use state::response::Response;
use types::{Code, Fault, KeyspaceId, LeaseId, RegionId};

use super::Handle;
use crate::answer::{Answer, Header};
use crate::forward;

/// How long a new keyspace may take to appear on this node.
pub(super) const APPEAR: Duration = Duration::from_secs(5);

impl Handle {
    /// Carries out a command, wherever the leader is, once. `LeaseGrant` with id 0 has one chosen.
    ///
    /// # Errors
    /// What the state machine refuses, or that the command could not be brought through the log;
    /// `Timeout` and `LeaderChanged` mean that the outcome is unknown.
    pub async fn propose(
        &self,
        keyspace: KeyspaceId,
        command: Command,
    ) -> Result<Answer<Response>, Fault> {
        let is_of_registry = matches!(command, Command::Registry(_));
        let parts = is_of_registry.then(|| self.sharded_registry(keyspace)).flatten();
        if let Some(parts) = parts {
            state::check(&command)?;
            let Command::Registry(change) = command else { return Err(Code::Internal.into()) };
            return Box::pin(self.propose_sharded_registry(&parts, change)).await;
        }
        self.propose_in(keyspace, command).await
    }

    /// The same, in the keyspace as it is: also in one part of a registry.
    pub(crate) async fn propose_in(
        &self,
        keyspace: KeyspaceId,
        mut command: Command,
    ) -> Result<Answer<Response>, Fault> {
        let chosen = self.choose_lease(&mut command);
        state::check(&command)?;
        let shard = match self.ready_shard(keyspace).await {
            Err(fault) if fault.code == Code::Unsupported && self.shared.is_sharded(keyspace) => {
                return self.propose_sharded(keyspace, command).await;
            }
            shard => shard?,
        };
        let is_sampled = shard.heat.ask(&self.shared, || state::sharded::span(&command))?;
        let since = is_sampled.then(|| self.shared.clock.now());
        loop {
            let applied = forward::propose(&self.shared, &shard, command.clone()).await?;
            self.shared.note_write(since);
            match applied.outcome.result {
                Ok(body) => {
                    let revision = applied.outcome.revision;
                    let header = Header { term: applied.term, ..self.header_at(&shard, revision) };
                    return Ok(Answer { header, body });
                }
                // Two nodes drew the same number; the next one will do.
                Err(fault) if chosen && fault.code == Code::LeaseExists => {
                    command = self.with_other_lease(command);
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Makes an ordered keyspace and waits until this node knows it.
    ///
    /// # Errors
    /// `KeyspaceExists`, `InvalidArgument`, `LimitReached`, and as [`Self::propose`].
    pub async fn create_keyspace(&self, name: &str) -> Result<KeyspaceRecord, Fault> {
        let command = Command::CreateKeyspace { name: name.to_owned() };
        state::check(&command)?;
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let applied = forward::propose(&self.shared, &meta, command).await?;
        let Response::Keyspace(record) = applied.outcome.result? else {
            return Err(Fault::new(Code::Internal, "a keyspace was asked for"));
        };
        drop(tokio::time::timeout(APPEAR, self.ready(record.id)).await);
        Ok(record)
    }

    fn choose_lease(&self, command: &mut Command) -> bool {
        let Command::LeaseGrant { id, ttl_seconds } = command else { return false };
        // As etcd does: a time too short to be renewed across an election is raised, and the answer
        // says to what.
        *ttl_seconds = (*ttl_seconds).max(types::limits::LEASE_TTL_SECONDS_MIN);
        if id.get() != 0 {
            return false;
        }
        *id = self.lease_id();
        true
    }

    fn with_other_lease(&self, command: Command) -> Command {
        match command {
            Command::LeaseGrant { ttl_seconds, .. } => {
                Command::LeaseGrant { id: self.lease_id(), ttl_seconds }
            }
            other => other,
        }
    }

    /// Positive, as etcd's are.
    fn lease_id(&self) -> LeaseId {
        let number = i64::try_from(self.shared.rng.next_u64() >> 1).unwrap_or(1);
        LeaseId(number.max(1))
    }
}
