//! The one door to a node, for every API and for programs that embed it.

use std::sync::Arc;
use std::time::Duration;

use state::command::Command;
use state::directory::{Directory, KeyspaceRecord};
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use tokio::sync::oneshot;
use types::{Code, Fault, KeyspaceId, LeaseId, NodeId, RegionId, Revision, Term};

use crate::answer::{Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
use crate::forward;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::watch::{WatchControl, WatchMessages};

/// Above this many records a range is read on a thread that may block.
const INLINE_RECORDS: usize = 128;
/// How long a new keyspace may take to appear on this node.
const APPEAR: Duration = Duration::from_secs(5);

/// A running node; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The keyspace called `name`; `None` is `default`.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub fn keyspace(&self, name: Option<&str>) -> Result<KeyspaceId, Fault> {
        let Some(name) = name else { return Ok(KeyspaceId::DEFAULT) };
        let directory = self.shared.directory();
        let record = directory.keyspace_named(name);
        record.map(|record| record.id).ok_or_else(|| Fault::new(Code::KeyspaceNotFound, name))
    }

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

    /// Carries out a command, wherever the leader is, once. `LeaseGrant` with id 0 has one chosen.
    ///
    /// # Errors
    /// What the state machine refuses, or that the command could not be brought through the log;
    /// `Timeout` and `LeaderChanged` mean that the outcome is unknown.
    pub async fn propose(
        &self,
        keyspace: KeyspaceId,
        mut command: Command,
    ) -> Result<Answer<Response>, Fault> {
        let chosen = self.choose_lease(&mut command);
        state::check(&command)?;
        let shard = self.ready_shard(keyspace).await?;
        loop {
            let applied = forward::propose(&self.shared, &shard, command.clone()).await?;
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

    /// Opens a set of watches on a keyspace.
    ///
    /// # Errors
    /// `KeyspaceNotFound`, `LimitReached`.
    pub fn watch(&self, keyspace: KeyspaceId) -> Result<(WatchControl, WatchMessages), Fault> {
        let shard = self.shard(keyspace)?;
        self.shared.hub.open(shard.record.id)
    }

    /// The members of the cluster, confirmed with a quorum if `Linearizable`.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn members(&self, consistency: Consistency) -> Result<Answer<Vec<Member>>, Fault> {
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        self.confirm(&meta, consistency).await?;
        let directory = self.shared.directory();
        let url = |address: &String| format!("http://{address}");
        let member = |node: &state::directory::NodeRecord| Member {
            id: node.id,
            name: node.name.clone(),
            peer_urls: vec![url(&node.peer_address)],
            client_urls: Some(&node.client_address)
                .filter(|address| !address.is_empty())
                .map(url)
                .into_iter()
                .collect(),
            is_learner: false,
        };
        let body = directory.nodes.values().map(member).collect();
        Ok(Answer { header: self.header_of(&meta), body })
    }

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
        // Journals are preallocated: what they hold is what memory holds too.
        let tables = engine.disk_bytes.saturating_sub(engine.journal_bytes);
        let db_size = tables + engine.memtable_bytes;
        Ok(ReplicaStatus {
            leader: shard.leadership().leader,
            first_index: self.shared.wal.region(region).unwrap_or_default().first.get(),
            last_index: status.last.get(),
            commit_index: status.hard_state.commit.get(),
            applied_index: shard.applied().get(),
            is_learner: false,
            db_size,
            db_size_in_use: db_size,
            compacted: shard.machine.read().compacted(),
        })
    }

    /// Whether a leader of the keyspace is known (etcd's `hasleader` metadata).
    #[must_use]
    pub fn has_leader(&self, keyspace: KeyspaceId) -> bool {
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
            if let Ok(shard) = self.shard(keyspace) {
                drop(shard.watch_leadership().wait_for(|now| now.leader.is_some()).await);
                return;
            }
            if directory.changed().await.is_err() {
                return;
            }
        }
    }

    /// Answers with the reason when the node can serve no longer.
    pub async fn failed(&self) -> String {
        let mut failure = self.shared.watch_failure();
        let reason = failure.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_else(|| "it was stopped".to_owned())
    }

    /// The header for answers that come from no command, with the replica's newest applied revision.
    #[must_use]
    pub fn header(&self, keyspace: KeyspaceId) -> Header {
        match self.shard(keyspace) {
            Ok(shard) => self.header_of(&shard),
            Err(_) => Header { member: self.shared.node(), ..Header::default() },
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

    /// The cluster as this node's copy of the meta region knows it.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.shared.directory()
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node()
    }

    /// The keyspace's shard; while the cluster is being formed, waits for it as long as a request
    /// may take.
    async fn ready_shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        if self.shared.directory().cluster.is_none() {
            let mut directory = self.shared.watch_directory();
            let formed = directory.wait_for(|directory| directory.cluster.is_some());
            let formed = tokio::time::timeout(forward::REQUEST_TIMEOUT, formed);
            tokio::select! {
                biased;
                formed = formed => drop(formed),
                () = self.shared.ended() => {}
            }
        }
        self.shard(keyspace)
    }

    fn shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        if let Some(reason) = self.shared.failed() {
            return Err(Fault::new(Code::ShuttingDown, reason));
        }
        if self.shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        if self.shared.directory().cluster.is_none() {
            return Err(Code::NoLeader.into());
        }
        let shard = self.shared.keyspace_shard(keyspace)?;
        shard.broken()?;
        Ok(shard)
    }

    /// Waits until this node's copy may answer.
    async fn confirm(&self, shard: &Arc<Shard>, consistency: Consistency) -> Result<(), Fault> {
        if consistency == Consistency::Serializable {
            return Ok(());
        }
        forward::read_barrier(&self.shared, shard).await
    }

    fn header_of(&self, shard: &Shard) -> Header {
        let revision = shard.machine.read().revision();
        self.header_at(shard, revision)
    }

    fn header_at(&self, shard: &Shard, revision: Revision) -> Header {
        Header {
            cluster: self.shared.directory().cluster.unwrap_or_default(),
            member: self.shared.node(),
            revision,
            term: shard.leadership().term,
        }
    }

    fn read_failed(&self, error: &state::FetchError) -> Fault {
        match error {
            state::FetchError::Fault(fault) => fault.clone(),
            state::FetchError::Read(failure) => {
                self.shared.fail(format!("the engine could not be read: {failure}"));
                Fault::new(Code::Corrupt, failure.to_string())
            }
        }
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
