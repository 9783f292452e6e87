use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::members::{Member, Seat};
use crate::words;

/// The body of an answer on its way from a member, no faster than the client takes it. Dropped before its
/// end, the member is told that nobody wants it any more.
pub(crate) struct Passing {
    body: Incoming,
    /// A stream of gRPC that breaks ends with a status; anything else just breaks.
    is_grpc: bool,
    ended: bool,
    member: Arc<Member>,
    _seat: Seat,
}

impl Passing {
    pub(crate) fn new(body: Incoming, is_grpc: bool, member: &Arc<Member>, seat: Seat) -> Self {
        Self { body, is_grpc, ended: false, member: Arc::clone(member), _seat: seat }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Err(error)) if self.is_grpc => {
                self.ended = true;
                tracing::debug!(member = %self.member.address, %error, "a stream broke");
                let status = words::broken(&self.member.address);
                Poll::Ready(Some(Ok(Frame::trailers(words::trailers(&status)))))
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
