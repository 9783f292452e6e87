//! The one door to a node, for every API and for programs that embed it.

use state::command::Command;
use state::directory::{Directory, KeyspaceRecord};
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use std::sync::Arc;
use types::{Code, Fault, KeyspaceId, LeaseId, Term};

use crate::answer::{Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
use crate::watch::{WatchControl, WatchMessages};

/// A running node; cheap to clone.
#[derive(Clone)]
pub struct Handle {}

fn stub<T>() -> Result<T, Fault> {
    Err(Code::Unsupported.into())
}

impl Handle {
    /// The keyspace called `name`; `None` is `default`.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub fn keyspace(&self, _name: Option<&str>) -> Result<KeyspaceId, Fault> {
        stub()
    }

    /// Reads a range.
    ///
    /// # Errors
    /// Invalid requests, compacted or future revisions, no leader, timeout.
    pub async fn range(
        &self,
        _keyspace: KeyspaceId,
        _request: RangeRequest,
        _consistency: Consistency,
    ) -> Result<Answer<RangeResponse>, Fault> {
        stub()
    }

    /// Runs a transaction; one without writes is read like a range, without the log.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn txn(
        &self,
        _keyspace: KeyspaceId,
        _request: TxnRequest,
        _consistency: Consistency,
    ) -> Result<Answer<Response>, Fault> {
        stub()
    }

    /// Carries out a command, wherever the leader is, once. `LeaseGrant` with id 0 has one chosen.
    ///
    /// # Errors
    /// What the state machine refuses, or that the command could not be brought through the log;
    /// `Timeout` and `LeaderChanged` mean that the outcome is unknown.
    pub async fn propose(
        &self,
        _keyspace: KeyspaceId,
        _command: Command,
    ) -> Result<Answer<Response>, Fault> {
        stub()
    }

    /// Renews a lease on the leader's clock; answers its time to live in seconds, 0 if unknown.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lease_keep_alive(
        &self,
        _keyspace: KeyspaceId,
        _lease: LeaseId,
    ) -> Result<Answer<i64>, Fault> {
        stub()
    }

    /// What is left of a lease; an unknown one is no error.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lease_time_to_live(
        &self,
        _keyspace: KeyspaceId,
        _lease: LeaseId,
        _keys: bool,
    ) -> Result<Answer<LeaseStatus>, Fault> {
        stub()
    }

    /// Every lease of a keyspace.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn leases(&self, _keyspace: KeyspaceId) -> Result<Answer<Vec<LeaseId>>, Fault> {
        stub()
    }

    /// Opens a set of watches on a keyspace.
    ///
    /// # Errors
    /// `KeyspaceNotFound`, `LimitReached`.
    pub fn watch(&self, _keyspace: KeyspaceId) -> Result<(WatchControl, WatchMessages), Fault> {
        stub()
    }

    /// The members of the cluster, confirmed with a quorum if `Linearizable`.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn members(&self, _consistency: Consistency) -> Result<Answer<Vec<Member>>, Fault> {
        stub()
    }

    /// This node's replica of a keyspace.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub async fn status(&self, _keyspace: KeyspaceId) -> Result<Answer<ReplicaStatus>, Fault> {
        stub()
    }

    /// Whether a leader of the keyspace is known (etcd's `hasleader` metadata).
    #[must_use]
    pub fn has_leader(&self, _keyspace: KeyspaceId) -> bool {
        false
    }

    /// The header for answers that come from no command, with the replica's newest applied revision.
    #[must_use]
    pub fn header(&self, _keyspace: KeyspaceId) -> Header {
        Header { term: Term(0), ..Header::default() }
    }

    /// Makes an ordered keyspace and waits until this node knows it.
    ///
    /// # Errors
    /// `KeyspaceExists`, `InvalidArgument`, `LimitReached`, and as [`Self::propose`].
    pub async fn create_keyspace(&self, _name: &str) -> Result<KeyspaceRecord, Fault> {
        stub()
    }

    /// The cluster as this node's copy of the meta region knows it.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::default()
    }
}
