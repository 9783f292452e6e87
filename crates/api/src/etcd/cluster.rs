use node::{Answer, Handle, Member};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::cluster_server::Cluster;
use tonic::{Request, Response, Status};

use super::convert;
use crate::{error, metadata};

/// etcd's `Cluster`. Members are listed; changing them is not served yet.
pub struct ClusterService {
    handle: Handle,
}

impl ClusterService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

fn member(member: Member) -> pb::Member {
    pb::Member {
        id: member.id.get(),
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.is_learner,
    }
}

fn fixed<T>() -> Result<T, Status> {
    Err(Status::unimplemented("hiraeth: changing the members of a cluster is not served yet"))
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Result<Response<pb::MemberListResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        let consistency =
            metadata::consistency(request.metadata(), !request.get_ref().linearizable)?;
        let Answer { header, body } =
            self.handle.members(consistency).await.map_err(|fault| error::status(&fault))?;
        // etcd leaves the revision out where keys play no part.
        let told = pb::ResponseHeader { revision: 0, ..convert::header(&header) };
        let members = body.into_iter().map(member).collect();
        Ok(metadata::answer(&header, pb::MemberListResponse { header: Some(told), members }))
    }

    async fn member_add(
        &self,
        _: Request<pb::MemberAddRequest>,
    ) -> Result<Response<pb::MemberAddResponse>, Status> {
        fixed()
    }

    async fn member_remove(
        &self,
        _: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        fixed()
    }

    async fn member_update(
        &self,
        _: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        fixed()
    }

    async fn member_promote(
        &self,
        _: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
        fixed()
    }
}
