//! Reads.

use state::command::Command;
use state::request::{Query, RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use types::{Code, Fault, Index, KeyspaceId, LeaseId, NodeId};

use super::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::forward;
use crate::read::{self, Found};
use crate::sharded;

impl Handle {
    /// Reads a range.
    ///
    /// # Errors
    /// Invalid requests, compacted or future revisions, no leader, timeout; `TooStale`.
    pub async fn range(
        &self,
        keyspace: KeyspaceId,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Answer<RangeResponse>, Fault> {
        state::check_range(&request)?;
        let found = match self.ready_shard(keyspace).await {
            Err(fault) if fault.code == Code::Unsupported && self.shared.is_sharded(keyspace) => {
                sharded::range(&self.shared, keyspace, request, consistency).await?
            }
            shard => read::read(&self.shared, &shard?, Query::Range(request), consistency).await?,
        };
        let header = self.header_found(&found);
        match found.response {
            Response::Range(body) => Ok(Answer { header, body }),
            _ => Err(Fault::new(Code::Internal, "a range was asked for")),
        }
    }

    /// Runs a transaction; one without writes is read like a range, without the log.
    ///
    /// # Errors
    /// As [`Self::propose`]; `TooStale`.
    pub async fn txn(
        &self,
        keyspace: KeyspaceId,
        request: TxnRequest,
        consistency: Consistency,
    ) -> Result<Answer<Response>, Fault> {
        state::check_txn(&request)?;
        if request.has_writes() {
            return self.propose(keyspace, Command::Txn(request)).await;
        }
        let found = match self.ready_shard(keyspace).await {
            Err(fault) if fault.code == Code::Unsupported && self.shared.is_sharded(keyspace) => {
                sharded::txn(&self.shared, keyspace, request, consistency).await?
            }
            shard => read::read(&self.shared, &shard?, Query::Txn(request), consistency).await?,
        };
        Ok(Answer { header: self.header_found(&found), body: found.response })
    }

    /// Every lease of a keyspace. Read from this node's copy in any case: `Follower` is
    /// `Linearizable` here, and so is `Lease` unless this node leads.
    ///
    /// # Errors
    /// No leader, timeout; `TooStale`.
    pub async fn leases(
        &self,
        keyspace: KeyspaceId,
        consistency: Consistency,
    ) -> Result<Answer<Vec<LeaseId>>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.keys_only()?;
        let age = read::confirm(&self.shared, &shard, consistency).await?;
        let body = shard.machine.read().leases().map(|(id, _)| id).collect();
        Ok(Answer { header: Header { age, ..self.header_of(&shard) }, body })
    }

    /// Puts an entry that changes nothing through the log and answers when this node has applied it,
    /// with the index it has applied: everything that was committed before is in this node's copy.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn barrier(&self, keyspace: KeyspaceId) -> Result<Answer<Index>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let nothing = Command::Txn(TxnRequest::default());
        let applied = forward::propose(&self.shared, &shard, nothing).await?;
        // What a state machine of another kind says of it does not matter: it was applied.
        let header = self.header_at(&shard, applied.outcome.revision);
        Ok(Answer { header: Header { term: applied.term, ..header }, body: shard.applied() })
    }

    /// The node that leads the keyspace, in the term of the header, as a quorum confirmed after this
    /// call began. Works on every node; one that only believes to lead gets no confirmation.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn verify_leader(&self, keyspace: KeyspaceId) -> Result<Answer<NodeId>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        let (body, term) = read::verify(&self.shared, &shard).await?;
        Ok(Answer { header: Header { term, ..self.header_of(&shard) }, body })
    }

    fn header_found(&self, found: &Found) -> Header {
        Header {
            cluster: self.shared.directory().cluster.unwrap_or_default(),
            member: self.shared.node(),
            revision: found.revision,
            term: found.term,
            age: found.age,
        }
    }
}
