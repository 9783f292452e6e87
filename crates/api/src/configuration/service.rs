use std::sync::Arc;

use configuration::record::Outcome;
use node::Handle;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::config_server::Config;
use tonic::{Request, Response, Status};
use types::Fault;

use super::door::Door;
use super::releases::Turns;
use super::{gray, reads, releases, schemas, watch};
use crate::{error, metadata};

/// `hiraeth.v1.Config`.
#[derive(Clone)]
pub(crate) struct ConfigService {
    handle: Handle,
    turns: Arc<Turns>,
}

impl ConfigService {
    /// The service over `handle`.
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, turns: Arc::new(Turns::new()) }
    }

    /// The door for whoever sent a request, and what it asks.
    async fn open<T>(&self, request: Request<T>) -> Result<(Door, T), Status> {
        let (metadata, _, message) = request.into_parts();
        let door =
            Door::open(&self.handle, &metadata).await.map_err(|fault| error::status(&fault))?;
        Ok((door, message))
    }
}

fn answer<T>(answer: Result<T, Fault>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(|fault| error::status(&fault))
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Config for ConfigService {
    async fn release(&self, request: Request<pb::ReleaseRequest>) -> Answer<pb::ReleaseResponse> {
        let (door, request) = self.open(request).await?;
        answer(releases::release(&door, &self.turns, request).await)
    }

    async fn get(&self, request: Request<pb::GetConfigRequest>) -> Answer<pb::GetConfigResponse> {
        let (door, request) = self.open(request).await?;
        answer(reads::get(&door, request).await)
    }

    async fn get_version(
        &self,
        request: Request<pb::GetVersionRequest>,
    ) -> Answer<pb::GetVersionResponse> {
        let (door, request) = self.open(request).await?;
        answer(reads::get_version(&door, &request).await)
    }

    async fn list(
        &self,
        request: Request<pb::ListConfigsRequest>,
    ) -> Answer<pb::ListConfigsResponse> {
        let (door, request) = self.open(request).await?;
        answer(reads::list(&door, &request).await)
    }

    async fn history(&self, request: Request<pb::HistoryRequest>) -> Answer<pb::HistoryResponse> {
        let (door, request) = self.open(request).await?;
        answer(reads::history(&door, &request).await)
    }

    async fn diff(&self, request: Request<pb::DiffRequest>) -> Answer<pb::DiffResponse> {
        let (door, request) = self.open(request).await?;
        answer(reads::diff(&door, &request).await)
    }

    async fn rollback(&self, request: Request<pb::RollbackRequest>) -> Answer<pb::ReleaseResponse> {
        let (door, request) = self.open(request).await?;
        answer(releases::rollback(&door, &self.turns, request).await)
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteConfigRequest>,
    ) -> Answer<pb::DeleteConfigResponse> {
        let (door, request) = self.open(request).await?;
        answer(releases::delete(&door, &request).await)
    }

    type WatchStream = watch::Told;

    async fn watch(&self, request: Request<pb::WatchConfigRequest>) -> Answer<Self::WatchStream> {
        let requires_leader = metadata::requires_leader(request.metadata());
        let (door, request) = self.open(request).await?;
        answer(watch::open(door, request, requires_leader).await)
    }

    async fn set_schema(
        &self,
        request: Request<pb::SetSchemaRequest>,
    ) -> Answer<pb::SetSchemaResponse> {
        let (door, request) = self.open(request).await?;
        answer(schemas::set(&door, request).await)
    }

    async fn get_schema(
        &self,
        request: Request<pb::GetSchemaRequest>,
    ) -> Answer<pb::GetSchemaResponse> {
        let (door, request) = self.open(request).await?;
        answer(schemas::get(&door, &request).await)
    }

    async fn start_gray(&self, request: Request<pb::StartGrayRequest>) -> Answer<pb::GrayResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::start(&door, &self.turns, request).await)
    }

    async fn widen_gray(&self, request: Request<pb::WidenGrayRequest>) -> Answer<pb::GrayResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::widen(&door, request).await)
    }

    async fn promote_gray(&self, request: Request<pb::EndGrayRequest>) -> Answer<pb::GrayResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::end(&door, &request, Outcome::Promoted).await)
    }

    async fn abort_gray(&self, request: Request<pb::EndGrayRequest>) -> Answer<pb::GrayResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::end(&door, &request, Outcome::Aborted).await)
    }

    async fn gray_status(
        &self,
        request: Request<pb::GrayStatusRequest>,
    ) -> Answer<pb::GrayResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::status(&door, &request).await)
    }

    async fn report(&self, request: Request<pb::ReportRequest>) -> Answer<pb::ReportResponse> {
        let (door, request) = self.open(request).await?;
        answer(gray::report(&door, request).await)
    }
}
