use bytes::Bytes;
use futures::stream::BoxStream;
use node::Handle;
use proto::v3electionpb as wire;
use proto::v3electionpb::election_server::Election;
use tonic::{Request, Response, Status};

use super::observe::Observing;
use crate::etcd::queue::{
    Door, Line, Place, first, first_kv, header_of, leave, like_etcd, put_if_created_at,
};

/// etcd's `v3electionpb.Election`.
///
/// The leader key it answers with is a fencing key as a lock's is: `rev` is its create revision.
pub struct ElectionService {
    handle: Handle,
}

impl ElectionService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    async fn stand(
        &self,
        request: Request<wire::CampaignRequest>,
    ) -> Result<wire::CampaignResponse, Status> {
        let (door, wire::CampaignRequest { name, lease, value }) =
            Door::open(&self.handle, request)?;
        let lease = door.lease_or_new(lease).await?;
        let taken = Place::take(door.clone(), Line::of(&name), value.clone(), lease).await?;
        let place = taken.place;
        let mut header = taken.header;
        if taken.value.is_some_and(|before| before != value) {
            header = proclaim(&door, place.key(), place.revision(), value, lease).await?;
        }
        if !taken.is_first {
            header = place.wait().await?.ok_or_else(not_leader)?;
        }
        let leader =
            wire::LeaderKey { name, key: place.key().clone(), rev: place.revision(), lease };
        place.keep();
        Ok(wire::CampaignResponse { header: Some(header), leader: Some(leader) })
    }

    async fn change(
        &self,
        request: Request<wire::ProclaimRequest>,
    ) -> Result<wire::ProclaimResponse, Status> {
        let (door, wire::ProclaimRequest { leader, value }) = Door::open(&self.handle, request)?;
        let leader = leader.ok_or_else(no_leader_key)?;
        let header = proclaim(&door, &leader.key, leader.rev, value, leader.lease).await?;
        Ok(wire::ProclaimResponse { header: Some(header) })
    }

    async fn read(
        &self,
        request: Request<wire::LeaderRequest>,
    ) -> Result<wire::LeaderResponse, Status> {
        let (door, wire::LeaderRequest { name }) = Door::open(&self.handle, request)?;
        let answer = door.range(first(&Line::of(&name))).await?;
        let header = answer.header;
        let kv = first_kv(answer).ok_or_else(|| Status::unknown("election: no leader"))?;
        Ok(wire::LeaderResponse { header, kv: Some(kv) })
    }

    async fn step_down(
        &self,
        request: Request<wire::ResignRequest>,
    ) -> Result<wire::ResignResponse, Status> {
        let (door, wire::ResignRequest { leader }) = Door::open(&self.handle, request)?;
        let leader = leader.ok_or_else(no_leader_key)?;
        // Who does not lead any more has resigned already.
        let answer = door.txn(leave(&leader.key, leader.rev)).await?;
        Ok(wire::ResignResponse { header: answer.header })
    }
}

async fn proclaim(
    door: &Door,
    key: &Bytes,
    revision: i64,
    value: Bytes,
    lease: i64,
) -> Result<proto::etcdserverpb::ResponseHeader, Status> {
    let answer = door.txn(put_if_created_at(key, revision, value, lease)).await?;
    if !answer.succeeded {
        return Err(not_leader());
    }
    header_of(answer.header)
}

fn not_leader() -> Status {
    Status::unknown("election: not leader")
}

fn no_leader_key() -> Status {
    Status::unknown("\"leader\" field must be provided")
}

#[tonic::async_trait]
impl Election for ElectionService {
    async fn campaign(
        &self,
        request: Request<wire::CampaignRequest>,
    ) -> Result<Response<wire::CampaignResponse>, Status> {
        self.stand(request).await.map(Response::new).map_err(like_etcd)
    }

    async fn proclaim(
        &self,
        request: Request<wire::ProclaimRequest>,
    ) -> Result<Response<wire::ProclaimResponse>, Status> {
        self.change(request).await.map(Response::new).map_err(like_etcd)
    }

    async fn leader(
        &self,
        request: Request<wire::LeaderRequest>,
    ) -> Result<Response<wire::LeaderResponse>, Status> {
        self.read(request).await.map(Response::new).map_err(like_etcd)
    }

    type ObserveStream = BoxStream<'static, Result<wire::LeaderResponse, Status>>;

    async fn observe(
        &self,
        request: Request<wire::LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let (door, wire::LeaderRequest { name }) = Door::open(&self.handle, request)?;
        Ok(Response::new(Observing::new(door, Line::of(&name)).responses()))
    }

    async fn resign(
        &self,
        request: Request<wire::ResignRequest>,
    ) -> Result<Response<wire::ResignResponse>, Status> {
        self.step_down(request).await.map(Response::new).map_err(like_etcd)
    }
}
