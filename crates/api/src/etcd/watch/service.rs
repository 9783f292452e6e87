use std::convert::Infallible;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hyper::body::Body;
use hyper::http;
use node::Handle;
use proto::etcdserverpb as pb;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use types::limits;

use super::codec::WatchCodec;
use super::frame::Frame;
use super::stream::Stream;
use crate::etcd::OVERHEAD_BYTES;
use crate::{error, metadata};

/// The service's one method.
const METHOD: &str = "/etcdserverpb.Watch/Watch";
/// Bytes from which on a response is split, and a request refused.
const MESSAGE_BYTES: usize = limits::REQUEST_BYTES + OVERHEAD_BYTES;

/// etcd's `Watch`.
#[derive(Clone)]
pub struct WatchService {
    handle: Handle,
}

impl WatchService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Serves one HTTP/2 request.
    pub fn call<B>(
        &self,
        request: http::Request<B>,
    ) -> BoxFuture<'static, Result<http::Response<tonic::body::Body>, Infallible>>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let service = self.clone();
        async move {
            if request.uri().path() != METHOD {
                let unknown = format!("unknown method {}", request.uri().path());
                return Ok(Status::unimplemented(unknown).into_http());
            }
            let mut grpc =
                Grpc::new(WatchCodec).apply_max_message_size_config(Some(MESSAGE_BYTES), None);
            Ok(grpc.streaming(Method(service), request).await)
        }
        .boxed()
    }

    fn open(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<Frame, Status>>>, Status> {
        let place = metadata::admit_watch(&self.handle, request.metadata())?;
        let requires_leader = metadata::requires_leader(request.metadata());
        let sender = metadata::bearer(request.metadata());
        let requests = request.into_inner();
        let stream = Stream::new(
            (self.handle.clone(), place, sender),
            requests,
            requires_leader,
            MESSAGE_BYTES,
        )
        .map_err(|fault| error::status(&fault))?;
        Ok(Response::new(stream.responses()))
    }
}

/// Keeps the frame's type out of the service's interface.
struct Method(WatchService);

impl StreamingService<pb::WatchRequest> for Method {
    type Response = Frame;
    type ResponseStream = BoxStream<'static, Result<Frame, Status>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<pb::WatchRequest>>) -> Self::Future {
        std::future::ready(self.0.open(request))
    }
}
