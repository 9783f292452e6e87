use std::future::Future;
use std::time::Duration;

use node::{AuthChanges, Handle, WatchControl, WatchCreate, WatchMessages};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_server::Kv;
use proto::etcdserverpb::lease_server::Lease;
use state::auth::Demand;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};
use types::{KeyRange, KeyspaceId, Revision};

use crate::etcd::{KvService, LeaseService};
use crate::{error, metadata};

/// Seconds that a lease lives which the service makes for those who bring none (etcd's default).
const LEASE_SECONDS: i64 = 60;
/// Tries of a request that may be sent again, while there is no leader or it changes.
const TRIES: usize = 5;
/// How long a try waits for a leader to be known.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// What one client of a recipe does, it does through etcd's own services and in its own name: what it
/// may not do there, the recipe may not do for it.
#[derive(Clone)]
pub(in crate::etcd) struct Door {
    handle: Handle,
    keyspace: KeyspaceId,
    metadata: MetadataMap,
    extensions: Extensions,
}

impl Door {
    /// The door for the client of `request`, and what it asks.
    ///
    /// # Errors
    /// As every request: unknown keyspace, a required leader is missing.
    pub(in crate::etcd) fn open<T>(
        handle: &Handle,
        request: Request<T>,
    ) -> Result<(Self, T), Status> {
        let keyspace = metadata::admit(handle, request.metadata())?;
        let (mut metadata, extensions, message) = request.into_parts();
        // Who holds a lock is never read from an old copy, and taking one is more than one write.
        metadata::for_inner(&mut metadata);
        Ok((Self { handle: handle.clone(), keyspace, metadata, extensions }, message))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.metadata.clone(), self.extensions.clone(), message)
    }

    pub(in crate::etcd) async fn range(
        &self,
        request: pb::RangeRequest,
    ) -> Result<pb::RangeResponse, Status> {
        let kv = KvService::new(self.handle.clone());
        self.again(|| async { Ok(kv.range(self.request(request.clone())).await?.into_inner()) })
            .await
    }

    pub(in crate::etcd) async fn txn(
        &self,
        request: pb::TxnRequest,
    ) -> Result<pb::TxnResponse, Status> {
        let kv = KvService::new(self.handle.clone());
        Ok(kv.txn(self.request(request)).await?.into_inner())
    }

    /// A transaction that may be carried out twice.
    pub(in crate::etcd) async fn txn_again(
        &self,
        request: pb::TxnRequest,
    ) -> Result<pb::TxnResponse, Status> {
        self.again(|| self.txn(request.clone())).await
    }

    pub(in crate::etcd) async fn delete(
        &self,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Status> {
        let kv = KvService::new(self.handle.clone());
        Ok(kv.delete_range(self.request(request)).await?.into_inner())
    }

    /// `lease`, or a new one if it is 0.
    pub(in crate::etcd) async fn lease_or_new(&self, lease: i64) -> Result<i64, Status> {
        if lease != 0 {
            return Ok(lease);
        }
        let leases = LeaseService::new(self.handle.clone());
        let grant = pb::LeaseGrantRequest { ttl: LEASE_SECONDS, id: 0 };
        Ok(leases.lease_grant(self.request(grant)).await?.into_inner().id)
    }

    /// Watches some keys from `start` on. One stream, so that what happens is told in order.
    pub(in crate::etcd) fn watch(
        &self,
        ranges: impl IntoIterator<Item = KeyRange>,
        start: i64,
    ) -> Result<(WatchControl, WatchMessages), Status> {
        let opened = self.handle.watch(self.keyspace).map_err(|fault| error::status(&fault))?;
        for range in ranges {
            let start = Revision(start);
            let create = WatchCreate { range, start, ..WatchCreate::default() };
            opened.0.create(create).map_err(|fault| error::status(&fault))?;
        }
        Ok(opened)
    }

    /// Changes after which [`Self::may_still_read`] is to be asked again.
    pub(in crate::etcd) fn auth_changes(&self) -> AuthChanges {
        self.handle.auth_changes()
    }

    /// Whether the client, which could read `range` before, still may.
    ///
    /// # Errors
    /// That it may not.
    pub(in crate::etcd) fn may_still_read(&self, range: &KeyRange) -> Result<(), Status> {
        let caller = self.handle.caller(self.keyspace, metadata::Proof::of(&self.metadata));
        caller.permit_still(Demand::Range(range)).map_err(|fault| error::status(&fault))
    }

    /// The header of an answer about `revision`.
    pub(in crate::etcd) fn header(&self, revision: i64) -> pb::ResponseHeader {
        let header = self.handle.header(self.keyspace);
        pb::ResponseHeader { revision, ..super::super::convert::header(&header) }
    }

    /// Carries a request over an election: who waits for a lock should not see who leads.
    async fn again<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        for _ in 1..TRIES {
            match request().await {
                Err(status) if status.code() == Code::Unavailable => {
                    drop(timeout(LEADER_PATIENCE, self.handle.ready(self.keyspace)).await);
                }
                answered => return answered,
            }
        }
        request().await
    }
}

/// etcd's services for locks and elections ask through a client of its own, whose errors lose their
/// code on the way out. What a client can try again keeps it here.
pub(in crate::etcd) fn like_etcd(status: Status) -> Status {
    match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            Status::unknown(status.message())
        }
        _ => status,
    }
}
