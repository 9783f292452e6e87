//! Leases by the leader's clock.

use types::{Fault, KeyspaceId, LeaseId};

use super::Handle;
use crate::answer::{Answer, LeaseStatus};
use crate::forward;

impl Handle {
    /// Renews a lease on the leader's clock; answers its time to live in seconds, 0 if unknown.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lease_keep_alive(
        &self,
        keyspace: KeyspaceId,
        lease: LeaseId,
    ) -> Result<Answer<i64>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let body = forward::renew_lease(&self.shared, &shard, lease).await?;
        Ok(Answer { header: self.header_of(&shard), body })
    }

    /// What is left of a lease; an unknown one is no error.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lease_time_to_live(
        &self,
        keyspace: KeyspaceId,
        lease: LeaseId,
        keys: bool,
    ) -> Result<Answer<LeaseStatus>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let body = forward::lease_status(&self.shared, &shard, lease, keys).await?;
        Ok(Answer { header: self.header_of(&shard), body })
    }
}
