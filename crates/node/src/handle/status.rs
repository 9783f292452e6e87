//! What the node tells of itself and of the cluster.

use std::sync::Arc;

use tokio::sync::oneshot;
use types::{Code, Fault, KeyspaceId, RegionId, Term};

use super::{Handle, alarms};
use crate::answer::{Answer, ReplicaStatus};
use crate::poller::ToPoller;
use crate::shard::Shard;

impl Handle {
    /// This node's replica of a keyspace.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub async fn status(&self, keyspace: KeyspaceId) -> Result<Answer<ReplicaStatus>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let body = self.replica_status(&shard).await?;
        Ok(Answer { header: self.header_of(&shard), body })
    }

    /// Every region with a replica on this node.
    ///
    /// One that was set aside is left out.
    ///
    /// # Errors
    /// `ShuttingDown`.
    pub async fn region_statuses(&self) -> Result<Vec<(RegionId, Term, ReplicaStatus)>, Fault> {
        let mut all = Vec::new();
        for (region, shard) in self.shared.shards().iter() {
            match self.replica_status(shard).await {
                Ok(status) => all.push((*region, shard.leadership().term, status)),
                Err(fault) if fault.code == Code::ShuttingDown => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(all)
    }

    async fn replica_status(&self, shard: &Arc<Shard>) -> Result<ReplicaStatus, Fault> {
        let (reply, receiver) = oneshot::channel();
        let region = shard.record.id;
        self.shared.poller(region).push(ToPoller::Status { region, reply });
        let status = receiver.await.map_err(|_| Code::ShuttingDown)?.ok_or(Code::Corrupt)?;
        let engine = self.shared.engine.stats();
        let db_size = engine.disk_bytes + engine.overlay_bytes;
        Ok(ReplicaStatus {
            leader: shard.leadership().leader,
            first_index: self.shared.wal.region(region).unwrap_or_default().first.get(),
            last_index: status.last.get(),
            commit_index: status.hard_state.commit.get(),
            applied_index: shard.applied().get(),
            is_learner: status.conf_state.learners.contains(&status.peer),
            db_size,
            db_size_in_use: db_size,
            compacted: shard.compacted(),
            alarms: alarms::standing(&self.shared, shard),
        })
    }
}
