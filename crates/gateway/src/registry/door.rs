use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use proto::hiraeth::v1 as pb;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::frame::{Frame, OpenCodec};
use super::hubs::Hubs;
use super::session::Session;
use crate::gateway::Shared;

/// The method.
const OPEN: &str = "/hiraeth.v1.Registry/Open";
/// Bytes of a request: as for a member.
const MESSAGE_BYTES: usize = 1 << 20;

/// Whether a request is for the stream that is served here.
pub(crate) fn is_open(path: &str) -> bool {
    path == OPEN
}

/// Serves the stream.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Body> {
    let mut grpc = Grpc::new(OpenCodec).apply_max_message_size_config(Some(MESSAGE_BYTES), None);
    grpc.streaming(Open { shared: Arc::clone(shared) }, request).await
}

struct Open {
    shared: Arc<Shared>,
}

type Answers = BoxStream<'static, Result<Frame, Status>>;

impl StreamingService<pb::OpenRequest> for Open {
    type Response = Frame;
    type ResponseStream = Answers;
    type Future = BoxFuture<'static, Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<pb::OpenRequest>>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        async move {
            let (metadata, _, requests) = request.into_parts();
            let headers = metadata.into_headers();
            // Where members look for it.
            let token = headers.get("token").or_else(|| headers.get("authorization"));
            let token: Option<HeaderValue> = token.cloned();
            let joined = Hubs::join(&shared.hubs, &shared.members, &shared.name, token).await?;
            Ok(Response::new(Session::new(joined, requests).responses()))
        }
        .boxed()
    }
}
