use node::{Frozen, Handle};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::maintenance_server::Maintenance;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use types::{Code, Fault, NodeId, Revision};

use super::snapshot::{self, SnapshotStream, Surroundings};
use super::{alarm, downgrade, hash, status};
use crate::etcd::convert;
use crate::{error, metadata};

/// etcd's `Maintenance`.
pub struct MaintenanceService {
    handle: Handle,
}

impl MaintenanceService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    async fn freeze(&self, metadata: &MetadataMap) -> Result<Frozen, Status> {
        let keyspace = metadata::admit(&self.handle, metadata)?;
        self.handle.freeze(keyspace).await.map_err(fail)
    }
}

fn fail(fault: Fault) -> Status {
    error::status(&fault)
}

/// Runs what reads a whole keyspace on a thread for such things.
async fn reading<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result.map_err(fail),
        Err(_) => Err(fail(Fault::new(Code::Internal, "reading the keyspace panicked"))),
    }
}

#[tonic::async_trait]
impl Maintenance for MaintenanceService {
    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        let answer = self.handle.status(keyspace).await.map_err(fail)?;
        Ok(Response::new(status::response(&answer)))
    }

    async fn alarm(
        &self,
        request: Request<pb::AlarmRequest>,
    ) -> Result<Response<pb::AlarmResponse>, Status> {
        // Everybody may see them: whoever checks a node's health does.
        if request.get_ref().action == 0 {
            let keyspace = metadata::admit(&self.handle, request.metadata())?;
            return alarm::answer(&self.handle, keyspace, request.get_ref())
                .await
                .map(Response::new);
        }
        let keyspace =
            metadata::permit(&self.handle, request.metadata(), state::auth::Demand::Root).await?;
        let audited = alarm::audited(&self.handle, &request);
        let answer = alarm::answer(&self.handle, keyspace, request.get_ref()).await;
        if let Some(audited) = audited {
            audited.tell_status(answer.as_ref().err());
        }
        answer.map(Response::new)
    }

    async fn defragment(
        &self,
        request: Request<pb::DefragmentRequest>,
    ) -> Result<Response<pb::DefragmentResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        // The engine gives space back by itself. etcd, too, answers without a header.
        Ok(Response::new(pb::DefragmentResponse { header: None }))
    }

    async fn hash(
        &self,
        request: Request<pb::HashRequest>,
    ) -> Result<Response<pb::HashResponse>, Status> {
        let frozen = self.freeze(request.metadata()).await?;
        let header = Some(convert::header(frozen.header()));
        let hash = reading(move || hash::of_everything(&frozen)).await?;
        Ok(Response::new(pb::HashResponse { header, hash }))
    }

    async fn hash_kv(
        &self,
        request: Request<pb::HashKvRequest>,
    ) -> Result<Response<pb::HashKvResponse>, Status> {
        let frozen = self.freeze(request.metadata()).await?;
        let revision = frozen.revision(Revision(request.get_ref().revision)).map_err(fail)?;
        let header = Some(convert::header(frozen.header()));
        // etcd says so where nothing was compacted yet.
        let compacted = Some(frozen.compacted().get()).filter(|it| *it > 0).unwrap_or(-1);
        let hash = reading(move || hash::of_versions(&frozen, revision)).await?;
        Ok(Response::new(pb::HashKvResponse {
            header,
            hash,
            compact_revision: compacted,
            hash_revision: revision.get(),
        }))
    }

    type SnapshotStream = SnapshotStream;

    async fn snapshot(
        &self,
        request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let frozen = self.freeze(request.metadata()).await?;
        Ok(Response::new(snapshot::stream(frozen, Surroundings::of(&self.handle))))
    }

    async fn move_leader(
        &self,
        request: Request<pb::MoveLeaderRequest>,
    ) -> Result<Response<pb::MoveLeaderResponse>, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        let to = NodeId(request.get_ref().target_id);
        let header = self.handle.move_leader(keyspace, to).await.map_err(fail)?;
        Ok(Response::new(pb::MoveLeaderResponse { header: Some(convert::header(&header)) }))
    }

    async fn downgrade(
        &self,
        request: Request<pb::DowngradeRequest>,
    ) -> Result<Response<pb::DowngradeResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        Err(downgrade::refuse(request.get_ref()))
    }
}
