use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The body of a request on its way to a member.
pub(crate) enum Outgoing {
    /// All of it, which can be sent again.
    Whole(Bytes),
    /// It passes as it comes, no faster than the member takes it; after what was read already.
    Passing { begin: Option<Bytes>, rest: Incoming },
    /// The gateway's own.
    Made(tonic::body::Body),
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Outgoing {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    /// The same once more, if all of it is here.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Passing { .. } | Self::Made(_) => None,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Passing { begin, rest } => match begin.take() {
                Some(begin) => Poll::Ready(Some(Ok(Frame::data(begin)))),
                None => Pin::new(rest).poll_frame(context).map_err(Into::into),
            },
            Self::Made(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Passing { begin, rest } => begin.is_none() && rest.is_end_stream(),
            Self::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Passing { .. } | Self::Made(_) => SizeHint::default(),
        }
    }
}
