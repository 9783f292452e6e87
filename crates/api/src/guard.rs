//! Services that are root's: whatever a method of them does and whoever adds one, it is asked for here.

use std::convert::Infallible;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::{Request, Response};
use node::Handle;
use state::auth::Demand;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;

use crate::metadata;

type Answer = Result<Response<tonic::body::Body>, Infallible>;

/// Methods that everybody may call, or that ask by themselves because it depends on the message.
const NOT_ROOTS: [&str; 3] = [
    "/etcdserverpb.Cluster/MemberList",
    "/etcdserverpb.Maintenance/Alarm",
    "/etcdserverpb.Maintenance/Status",
];

/// Has `service` serve a request, if that comes from root.
pub(crate) fn for_root<S, B>(
    handle: &Handle,
    mut service: S,
    request: Request<B>,
) -> BoxFuture<'static, Answer>
where
    S: Service<
            Request<B>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Answer>,
        > + Send
        + 'static,
    B: Send + 'static,
{
    if handle.auth_is_off() || NOT_ROOTS.contains(&request.uri().path()) {
        return service.call(request);
    }
    let handle = handle.clone();
    async move {
        // A copy: what is not for the body is little, and the service wants it, too.
        let metadata = MetadataMap::from_headers(request.headers().clone());
        match metadata::permit(&handle, &metadata, Demand::Root).await {
            Ok(_) => service.call(request).await,
            Err(status) => Ok(status.into_http()),
        }
    }
    .boxed()
}
