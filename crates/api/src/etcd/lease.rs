use std::collections::VecDeque;

use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use node::{Answer, Handle};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_server::Lease;
use state::auth::Demand;
use state::command::Command;
use state::response::Response as Outcome;
use tonic::{Request, Response, Status, Streaming};
use types::{Code, Fault, KeyspaceId, LeaseId};

use super::convert;
use crate::audit::Bearer;
use crate::{error, metadata};

/// etcd's `Lease`.
pub struct LeaseService {
    handle: Handle,
}

impl LeaseService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

fn fail(fault: Fault) -> Status {
    error::status(&fault)
}

fn mismatch() -> Status {
    fail(Fault::new(Code::Internal, "a command was answered with another one's answer"))
}

/// One client's renewals, answered in their order. Those that came meanwhile are renewed together.
struct KeepAlive {
    handle: Handle,
    keyspace: KeyspaceId,
    sender: Bearer,
    requests: Streaming<pb::LeaseKeepAliveRequest>,
    /// Whether the client said all it wants to say.
    ended: bool,
    asked: Vec<LeaseId>,
    ready: VecDeque<pb::LeaseKeepAliveResponse>,
}

impl KeepAlive {
    async fn next(&mut self) -> Option<Result<pb::LeaseKeepAliveResponse, Status>> {
        if let Some(response) = self.ready.pop_front() {
            return Some(Ok(response));
        }
        if self.ended {
            return None;
        }
        match self.requests.message().await {
            Ok(Some(request)) => self.asked.push(LeaseId(request.id)),
            // The client is done, or gone: there is nobody to tell.
            Ok(None) | Err(_) => return None,
        }
        while self.asked.len() < Handle::RENEWALS_TOGETHER
            && let Some(more) = self.requests.message().now_or_never()
        {
            match more {
                Ok(Some(request)) => self.asked.push(LeaseId(request.id)),
                Ok(None) | Err(_) => {
                    self.ended = true;
                    break;
                }
            }
        }
        let caller = self.handle.caller(self.keyspace, &self.sender);
        let renewed = caller.lease_keep_alives(&self.asked).await;
        let asked = self.asked.drain(..);
        match renewed {
            Ok(Answer { header, body }) => {
                let header = Some(convert::header(&header));
                let response = |(id, ttl): (LeaseId, i64)| pb::LeaseKeepAliveResponse {
                    header,
                    id: id.get(),
                    ttl,
                };
                self.ready.extend(asked.zip(body).map(response));
                self.ready.pop_front().map(Ok)
            }
            Err(fault) => Some(Err(fail(fault))),
        }
    }
}

#[tonic::async_trait]
impl Lease for LeaseService {
    async fn lease_grant(
        &self,
        request: Request<pb::LeaseGrantRequest>,
    ) -> Result<Response<pb::LeaseGrantResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let grant = Command::LeaseGrant { id: LeaseId(request.id), ttl_seconds: request.ttl };
        let Answer { header, body } = caller.propose(grant).await.map_err(fail)?;
        let Outcome::LeaseGranted { id, ttl_seconds } = body else { return Err(mismatch()) };
        Ok(Response::new(pb::LeaseGrantResponse {
            header: Some(convert::header(&header)),
            id: id.get(),
            ttl: ttl_seconds,
            error: String::new(),
        }))
    }

    async fn lease_revoke(
        &self,
        request: Request<pb::LeaseRevokeRequest>,
    ) -> Result<Response<pb::LeaseRevokeResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let revoke = Command::LeaseRevoke { id: LeaseId(request.get_ref().id) };
        let Answer { header, .. } = caller.propose(revoke).await.map_err(fail)?;
        Ok(Response::new(pb::LeaseRevokeResponse { header: Some(convert::header(&header)) }))
    }

    type LeaseKeepAliveStream = BoxStream<'static, Result<pb::LeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        caller.permit_alone(Demand::Leases).await.map_err(fail)?;
        let start = Some(KeepAlive {
            handle: self.handle.clone(),
            keyspace: caller.keyspace(),
            sender: metadata::bearer(request.metadata()),
            requests: request.into_inner(),
            ended: false,
            asked: Vec::new(),
            ready: VecDeque::new(),
        });
        // An error is the stream's last word.
        let answers = stream::unfold(start, |state| async {
            let mut state = state?;
            let answer = state.next().await?;
            let state = answer.is_ok().then_some(state);
            Some((answer, state))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Response<pb::LeaseTimeToLiveResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let left = caller.lease_time_to_live(LeaseId(request.id), request.keys).await;
        let Answer { header, body } = left.map_err(fail)?;
        Ok(Response::new(pb::LeaseTimeToLiveResponse {
            header: Some(convert::header(&header)),
            id: body.id.get(),
            ttl: body.ttl_seconds,
            granted_ttl: body.granted_seconds,
            keys: body.keys,
        }))
    }

    async fn lease_leases(
        &self,
        request: Request<pb::LeaseLeasesRequest>,
    ) -> Result<Response<pb::LeaseLeasesResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let consistency = metadata::consistency(request.metadata(), false)?;
        let Answer { header, body } = caller.leases(consistency).await.map_err(fail)?;
        let response = pb::LeaseLeasesResponse {
            header: Some(convert::header(&header)),
            leases: body.into_iter().map(|id| pb::LeaseStatus { id: id.get() }).collect(),
        };
        Ok(metadata::answer(&header, response))
    }
}
