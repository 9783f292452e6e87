use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hyper::body::Incoming;
use proto::etcdserverpb as pb;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::lines::Lines;
use super::session::Session;
use crate::gateway::Shared;

/// The method.
const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// Whether a request is for the stream that is served here.
pub(crate) fn is_keep_alive(path: &str) -> bool {
    path == KEEP_ALIVE
}

/// Serves the stream.
pub(crate) async fn keep_alive(
    shared: &Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Body> {
    let codec = ProstCodec::<pb::LeaseKeepAliveResponse, pb::LeaseKeepAliveRequest>::default();
    Grpc::new(codec).streaming(KeepAlive { shared: Arc::clone(shared) }, request).await
}

struct KeepAlive {
    shared: Arc<Shared>,
}

type Answers = BoxStream<'static, Result<pb::LeaseKeepAliveResponse, Status>>;

impl StreamingService<pb::LeaseKeepAliveRequest> for KeepAlive {
    type Response = pb::LeaseKeepAliveResponse;
    type ResponseStream = Answers;
    type Future = BoxFuture<'static, Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<pb::LeaseKeepAliveRequest>>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        async move {
            let (metadata, _, requests) = request.into_parts();
            let headers = metadata.into_headers();
            let joined = Lines::join(&shared.lines, &shared.members, &headers).await?;
            Ok(Response::new(Session::new(joined, requests).responses()))
        }
        .boxed()
    }
}
