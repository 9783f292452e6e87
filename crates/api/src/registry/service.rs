use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hyper::body::Body;
use hyper::http;
use node::Handle;
use proto::hiraeth::v1 as pb;
use state::auth::Demand;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use types::{KeyRange, KeyspaceId};

use super::codec::OpenCodec;
use super::connect::Connection;
use super::frame::Frame;
use super::operations::Client;
use crate::consul::Home;
use crate::guests::Guest;
use crate::{error, metadata};

/// The method that is a stream.
const CONNECT: &str = "/hiraeth.v1.Registry/Open";
/// What a client may call itself by.
const LABEL: &str = "hiraeth-client";
/// Bytes of that.
const LABEL_BYTES: usize = 128;
/// Bytes of a request: beats of as many instances as one may tell of.
const MESSAGE_BYTES: usize = 1 << 20;

/// As a permission for everything says it: there are no rights on single services yet.
pub(super) fn every_key() -> KeyRange {
    KeyRange { start: Bytes::from_static(&[0]), end: None }
}

/// The service over the node that is at home there.
#[derive(Clone)]
pub(crate) struct RegistryService {
    home: Arc<Home>,
}

impl RegistryService {
    pub(crate) fn new(home: Arc<Home>) -> Self {
        Self { home }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.home.handle()
    }

    /// The registry's keyspace; made with the first request.
    pub(super) async fn keyspace(&self) -> Result<KeyspaceId, Status> {
        let keyspace = self.home.keyspace().await;
        keyspace.map_err(|problem| Status::unavailable(format!("hiraeth: {}", problem.text())))
    }

    /// Whether a request is for the stream, which is served by [`Self::connect`].
    pub(crate) fn is_stream(path: &str) -> bool {
        path == CONNECT
    }

    /// Serves the stream.
    pub(crate) fn connect<B>(
        &self,
        guest: Option<&Arc<Guest>>,
        request: http::Request<B>,
    ) -> BoxFuture<'static, Result<http::Response<tonic::body::Body>, Infallible>>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let address = guest.map(|guest| guest.address().to_owned()).unwrap_or_default();
        let method = Connect { service: self.clone(), address };
        async move {
            let mut grpc =
                Grpc::new(OpenCodec).apply_max_message_size_config(Some(MESSAGE_BYTES), None);
            Ok(grpc.streaming(method, request).await)
        }
        .boxed()
    }
}

struct Connect {
    service: RegistryService,
    address: String,
}

type Answers = BoxStream<'static, Result<Frame, Status>>;

impl StreamingService<pb::OpenRequest> for Connect {
    type Response = Frame;
    type ResponseStream = Answers;
    type Future = BoxFuture<'static, Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<pb::OpenRequest>>) -> Self::Future {
        let service = self.service.clone();
        let label = label(&request, &self.address);
        async move {
            let keyspace = service.keyspace().await?;
            let handle = service.handle().clone();
            let sender = metadata::bearer(request.metadata());
            let refused = |fault| error::status(&fault);
            handle.caller(keyspace, &sender).permit(Demand::Anyone).await.map_err(refused)?;
            let subscriptions = handle.subscriptions(keyspace, &label).await.map_err(refused)?;
            let client = Client { handle, keyspace, sender };
            let connection = Connection::new(client, request.into_inner(), subscriptions);
            Ok(Response::new(connection.responses()))
        }
        .boxed()
    }
}

/// What the client is called for whoever looks who was told what.
fn label<T>(request: &Request<T>, address: &str) -> String {
    let named = request.metadata().get(LABEL).and_then(|value| value.to_str().ok());
    match named.filter(|named| !named.is_empty() && named.len() <= LABEL_BYTES) {
        Some(named) => format!("{named} ({address})"),
        None => address.to_owned(),
    }
}
