use node::{Answer, Handle, Member, Part};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::cluster_server::Cluster;
use tonic::{Request, Response, Status};
use types::NodeId;

use super::convert;
use crate::{error, metadata};

/// etcd's `Cluster`.
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

/// Header and list of an answer. etcd leaves the revision out where keys play no part.
fn listed(answer: Answer<Vec<Member>>) -> (Option<pb::ResponseHeader>, Vec<pb::Member>) {
    let header = pb::ResponseHeader { revision: 0, ..convert::header(&answer.header) };
    (Some(header), answer.body.into_iter().map(member).collect())
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
        let (told, members) = listed(Answer { header, body });
        Ok(metadata::answer(&header, pb::MemberListResponse { header: told, members }))
    }

    async fn member_add(
        &self,
        request: Request<pb::MemberAddRequest>,
    ) -> Result<Response<pb::MemberAddResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        let pb::MemberAddRequest { peer_ur_ls, is_learner } = request.into_inner();
        let part = if is_learner { Part::Learner } else { Part::Voter };
        let added = self.handle.add_member(&peer_ur_ls, part).await;
        let (new, all) = added.map_err(|fault| error::status(&fault))?;
        let (header, members) = listed(all);
        let member = Some(member(new));
        Ok(Response::new(pb::MemberAddResponse { header, member, members }))
    }

    async fn member_remove(
        &self,
        request: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        let removed = self.handle.remove_member(NodeId(request.get_ref().id)).await;
        let (header, members) = listed(removed.map_err(|fault| error::status(&fault))?);
        Ok(Response::new(pb::MemberRemoveResponse { header, members }))
    }

    async fn member_update(
        &self,
        request: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        let pb::MemberUpdateRequest { id, peer_ur_ls } = request.into_inner();
        let updated = self.handle.update_member(NodeId(id), &peer_ur_ls).await;
        let (header, members) = listed(updated.map_err(|fault| error::status(&fault))?);
        Ok(Response::new(pb::MemberUpdateResponse { header, members }))
    }

    async fn member_promote(
        &self,
        request: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        let promoted = self.handle.promote_member(NodeId(request.get_ref().id)).await;
        let (header, members) = listed(promoted.map_err(|fault| error::status(&fault))?);
        Ok(Response::new(pb::MemberPromoteResponse { header, members }))
    }
}
