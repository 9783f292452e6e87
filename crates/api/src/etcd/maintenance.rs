use futures::stream::BoxStream;
use node::{Answer, Handle};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::maintenance_server::Maintenance;
use state::auth::Demand;
use tonic::{Request, Response, Status};

use super::{CLUSTER_VERSION, VERSION, convert};
use crate::{error, metadata};

/// etcd's `Maintenance`, as far as it is served yet.
pub struct MaintenanceService {
    handle: Handle,
}

impl MaintenanceService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    fn header<T>(&self, request: &Request<T>) -> Result<pb::ResponseHeader, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        Ok(convert::header(&self.handle.header(keyspace)))
    }
}

fn unserved<T>(what: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("hiraeth: {what} is not served yet")))
}

/// The wire carries sizes as signed numbers.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[tonic::async_trait]
impl Maintenance for MaintenanceService {
    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        let Answer { header, body } =
            self.handle.status(keyspace).await.map_err(|fault| error::status(&fault))?;
        let errors = match body.leader {
            Some(_) => Vec::new(),
            None => vec![error::of(types::Code::NoLeader).text.to_owned()],
        };
        Ok(Response::new(pb::StatusResponse {
            header: Some(convert::header(&header)),
            version: VERSION.to_owned(),
            db_size: signed(body.db_size),
            leader: body.leader.map_or(0, types::NodeId::get),
            raft_index: body.commit_index,
            raft_term: header.term.get(),
            raft_applied_index: body.applied_index,
            errors,
            db_size_in_use: signed(body.db_size_in_use),
            is_learner: body.is_learner,
            storage_version: CLUSTER_VERSION.to_owned(),
            db_size_quota: 0,
            downgrade_info: Some(pb::DowngradeInfo::default()),
        }))
    }

    async fn alarm(
        &self,
        request: Request<pb::AlarmRequest>,
    ) -> Result<Response<pb::AlarmResponse>, Status> {
        let header = self.header(&request)?;
        // Everybody may see them: whoever checks a node's health does.
        if request.get_ref().action != i32::from(AlarmAction::Get) {
            metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        }
        match AlarmAction::try_from(request.get_ref().action) {
            // No alarm can be raised yet, so none is active, and there is none to put down.
            Ok(AlarmAction::Get | AlarmAction::Deactivate) => {
                Ok(Response::new(pb::AlarmResponse { header: Some(header), alarms: Vec::new() }))
            }
            _ => unserved("raising an alarm"),
        }
    }

    async fn defragment(
        &self,
        _: Request<pb::DefragmentRequest>,
    ) -> Result<Response<pb::DefragmentResponse>, Status> {
        // The engine gives space back by itself. etcd, too, answers without a header.
        Ok(Response::new(pb::DefragmentResponse { header: None }))
    }

    async fn hash(
        &self,
        _: Request<pb::HashRequest>,
    ) -> Result<Response<pb::HashResponse>, Status> {
        unserved("Hash")
    }

    async fn hash_kv(
        &self,
        _: Request<pb::HashKvRequest>,
    ) -> Result<Response<pb::HashKvResponse>, Status> {
        unserved("HashKV")
    }

    type SnapshotStream = BoxStream<'static, Result<pb::SnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        _: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        unserved("Snapshot")
    }

    async fn move_leader(
        &self,
        _: Request<pb::MoveLeaderRequest>,
    ) -> Result<Response<pb::MoveLeaderResponse>, Status> {
        unserved("MoveLeader")
    }

    async fn downgrade(
        &self,
        _: Request<pb::DowngradeRequest>,
    ) -> Result<Response<pb::DowngradeResponse>, Status> {
        unserved("Downgrade")
    }
}
