//! Reads.

use std::sync::Arc;

use state::command::Command;
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use types::{Code, Fault, KeyspaceId, LeaseId};

use super::Handle;
use crate::answer::{Answer, Consistency};
use crate::forward;
use crate::shard::Shard;

/// Above this many records a range is read on a thread that may block.
const INLINE_RECORDS: usize = 128;

impl Handle {
    /// Reads a range.
    ///
    /// # Errors
    /// Invalid requests, compacted or future revisions, no leader, timeout.
    pub async fn range(
        &self,
        keyspace: KeyspaceId,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Answer<RangeResponse>, Fault> {
        state::check_range(&request)?;
        let shard = self.ready_shard(keyspace).await?;
        self.confirm(&shard, consistency).await?;
        // A frozen view costs several times what one record does. Records stay where they are until
        // they are compacted or a snapshot takes their place; then the view is taken after all.
        let direct = {
            let machine = shard.machine.read();
            let selection = machine.select(&request)?;
            (selection.len() <= 1).then(|| (selection, machine.revision()))
        };
        if let Some((selection, revision)) = direct
            && let Ok(body) = selection.fetch(self.shared.engine.as_ref())
        {
            return Ok(Answer { header: self.header_at(&shard, revision), body });
        }
        let (selection, view, revision) = {
            let machine = shard.machine.read();
            let selection = machine.select(&request)?;
            (selection, self.shared.engine.snapshot(), machine.revision())
        };
        let large = selection.len() > INLINE_RECORDS;
        let fetch = move || selection.fetch(view.as_ref());
        let result = if large {
            let fetched = tokio::task::spawn_blocking(fetch).await;
            fetched.map_err(|error| Fault::new(Code::Internal, error.to_string()))?
        } else {
            fetch()
        };
        let body = result.map_err(|error| self.read_failed(&error))?;
        Ok(Answer { header: self.header_at(&shard, revision), body })
    }

    /// Runs a transaction; one without writes is read like a range, without the log.
    ///
    /// # Errors
    /// As [`Self::propose`].
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
        let shard = self.ready_shard(keyspace).await?;
        self.confirm(&shard, consistency).await?;
        let shared = Arc::clone(&self.shared);
        let reading = Arc::clone(&shard);
        let read = move || {
            let machine = reading.machine.read();
            let revision = machine.revision();
            machine.read_txn(&request, shared.engine.as_ref()).map(|body| (body, revision))
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.map_err(|error| Fault::new(Code::Internal, error.to_string()))?;
        let (body, revision) = read.map_err(|error| self.read_failed(&error))?;
        Ok(Answer { header: self.header_at(&shard, revision), body })
    }

    /// Every lease of a keyspace.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn leases(&self, keyspace: KeyspaceId) -> Result<Answer<Vec<LeaseId>>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        self.confirm(&shard, Consistency::Linearizable).await?;
        let body = shard.machine.read().leases().map(|(id, _)| id).collect();
        Ok(Answer { header: self.header_of(&shard), body })
    }

    /// Waits until this node's copy may answer.
    pub(super) async fn confirm(
        &self,
        shard: &Arc<Shard>,
        consistency: Consistency,
    ) -> Result<(), Fault> {
        if consistency == Consistency::Serializable {
            return Ok(());
        }
        forward::read_barrier(&self.shared, shard).await
    }

    fn read_failed(&self, error: &state::FetchError) -> Fault {
        match error {
            state::FetchError::Fault(fault) => fault.clone(),
            state::FetchError::Read(failure) => {
                self.shared.fail_disk("the engine could not be read", failure);
                Fault::new(Code::Corrupt, failure.to_string())
            }
        }
    }
}
