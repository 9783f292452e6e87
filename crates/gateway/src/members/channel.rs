use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;

use super::member::{Member, Standing};
use crate::passing::{self, Kind, Outgoing, Passing};

/// A member, for the gateway's own streams.
#[derive(Clone)]
pub(crate) struct Channel(pub(crate) Arc<Member>);

impl Service<Request<Body>> for Channel {
    type Response = Response<Passing>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Passing>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let member = Arc::clone(&self.0);
        async move {
            let seat = member.seat(Kind::Open).await.map_err(|why| {
                member.stands(Standing::Gone, &why);
                Status::unavailable(why)
            })?;
            let (head, body) = request.into_parts();
            let request = passing::request(&head, &member, Outgoing::Made(body));
            let sent = seat.sender().send_request(request).await;
            let answer = sent.map_err(|error| Status::unavailable(error.to_string()))?;
            Ok(answer.map(|body| Passing::new(body, false, &member, seat)))
        }
        .boxed()
    }
}
