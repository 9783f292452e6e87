use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Body, Frame};

use super::answer::Passing;

/// Bytes of an answer that are waited for, so that its length can be told to a client of HTTP/1.
const SHORT_BYTES: usize = 64 * 1024;

/// An answer that comes soon, with its length if it is short.
pub(crate) async fn settle(answer: Response<Passing>) -> Response<tonic::body::Body> {
    let (head, mut body) = answer.into_parts();
    let mut begin = BytesMut::new();
    let body = loop {
        match body.frame().await {
            None => break tonic::body::Body::new(Full::from(begin.freeze())),
            Some(Err(error)) => {
                let (begin, broken) = (Some(begin.freeze()), Some(error));
                break tonic::body::Body::new(Rest { begin, broken, body });
            }
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                begin.extend_from_slice(&data);
                if begin.len() > SHORT_BYTES {
                    let begin = Some(begin.freeze());
                    break tonic::body::Body::new(Rest { begin, broken: None, body });
                }
            }
        }
    };
    Response::from_parts(head, body)
}

/// A body whose beginning was read.
struct Rest {
    begin: Option<Bytes>,
    /// It breaks where it broke.
    broken: Option<hyper::Error>,
    body: Passing,
}

impl Body for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(begin) = self.begin.take().filter(|begin| !begin.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(begin))));
        }
        match self.broken.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }
}
