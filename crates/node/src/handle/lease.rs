//! Leases by the leader's clock.

use types::{Fault, KeyspaceId, LeaseId};

use super::Handle;
use crate::answer::{Answer, LeaseStatus};
use crate::forward;

impl Handle {
    /// Leases renewed with one question.
    pub const RENEWALS_TOGETHER: usize = forward::RENEWALS_TOGETHER;

    /// Renews a lease on the leader's clock; answers its time to live in seconds, 0 if unknown.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lease_keep_alive(
        &self,
        keyspace: KeyspaceId,
        lease: LeaseId,
    ) -> Result<Answer<i64>, Fault> {
        let Answer { header, body } = self.lease_keep_alives(keyspace, &[lease]).await?;
        let body = body.first().copied().unwrap_or(0);
        Ok(Answer { header, body })
    }

    /// Renews many leases with one question to the leader, for a stream of renewals: the times to live, in
    /// the order of `leases`. Only the first [`Self::RENEWALS_TOGETHER`] are renewed and answered.
    ///
    /// # Errors
    /// As [`Self::lease_keep_alive`]; then any of them may be renewed or not.
    pub async fn lease_keep_alives(
        &self,
        keyspace: KeyspaceId,
        leases: &[LeaseId],
    ) -> Result<Answer<Vec<i64>>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let leases = &leases[..leases.len().min(Self::RENEWALS_TOGETHER)];
        if leases.is_empty() {
            return Ok(Answer { header: self.header_of(&shard), body: Vec::new() });
        }
        let body = forward::renew_leases(&self.shared, &shard, leases).await?;
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
