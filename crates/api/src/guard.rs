//! Services that are root's: whatever a method of them does and whoever adds one, it is asked for here.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::body::{Body, Frame};
use hyper::{Request, Response};
use node::Handle;
use state::auth::Demand;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use types::KeyspaceId;

use crate::audit::Bearer;
use crate::{error, metadata};

type Error = Box<dyn std::error::Error + Send + Sync>;
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
            Request<Held<B>>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Answer>,
        > + Send
        + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    let asks_nothing = NOT_ROOTS.contains(&request.uri().path());
    let is_off = handle.auth_is_off();
    let held_against =
        (!asks_nothing).then(|| (handle.clone(), metadata::bearer(request.headers())));
    let request = request.map(|body| Held { body: Box::pin(body), held_against });
    if is_off || asks_nothing {
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

/// The body of a request. What it says can come much later than its head, when its sender has not the
/// rights any more that let the head in.
pub(crate) struct Held<B> {
    body: Pin<Box<B>>,
    held_against: Option<(Handle, Bearer)>,
}

impl<B> Body for Held<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(self.body.as_mut().poll_frame(context));
        if let Some((handle, sender)) = &self.held_against {
            let sender = handle.caller(KeyspaceId::DEFAULT, sender);
            if let Err(fault) = sender.permit_still(Demand::Root) {
                return Poll::Ready(Some(Err(error::status(&fault).into())));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}
