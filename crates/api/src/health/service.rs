use futures::stream::{self, BoxStream, StreamExt};
use node::Handle;
use proto::grpc::health::v1 as pb;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_server::Health;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::watched::Watched;
use crate::services;

/// `grpc.health.v1.Health`.
pub(crate) struct HealthService {
    watched: Watched,
}

impl HealthService {
    /// The service over `handle`.
    pub(crate) fn new(handle: Handle) -> Self {
        Self { watched: Watched::new(handle) }
    }
}

/// The empty name is the server as a whole.
fn is_known(service: &str) -> bool {
    service.is_empty() || services::ALL.contains(&service)
}

fn answer(status: ServingStatus) -> pb::HealthCheckResponse {
    pb::HealthCheckResponse { status: status.into() }
}

fn served(serves: bool) -> pb::HealthCheckResponse {
    answer(if serves { ServingStatus::Serving } else { ServingStatus::NotServing })
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(served(self.watched.look().await)))
    }

    type WatchStream = BoxStream<'static, Result<pb::HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if !is_known(&request.get_ref().service) {
            // The protocol keeps such a stream open: the service may come.
            let unknown = std::future::ready(Ok(answer(ServingStatus::ServiceUnknown)));
            return Ok(Response::new(stream::once(unknown).chain(stream::pending()).boxed()));
        }
        let looks = WatchStream::new(self.watched.watch());
        let answers = looks.filter_map(|serves| std::future::ready(serves.map(served).map(Ok)));
        Ok(Response::new(answers.boxed()))
    }
}
