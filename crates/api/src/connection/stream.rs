//! Calls that have a task of their own, and the services behind them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::{Either, poll_fn, select};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, Request};

use super::send::send_data;
use crate::front::Front;

/// Has the services answer a request, until the client is gone or gives it up.
pub(super) async fn serve(
    front: Front,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let answer = front.serve(request.map(|data| Incoming { data, ended: false }));
    let given_up = poll_fn(|context| respond.poll_reset(context));
    let Either::Left((Ok(answer), _)) = select(answer, given_up).await else { return };
    let (parts, mut body) = answer.into_parts();
    let response = hyper::Response::from_parts(parts, ());
    let ends = body.is_end_stream();
    let Ok(mut stream) = respond.send_response(response, ends) else { return };
    if ends {
        return;
    }
    loop {
        let frame = poll_fn(|context| {
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_frame(context).map(Some)
        });
        let sent = match frame.await {
            None => return,
            Some(None) => return drop(stream.send_data(Bytes::new(), true)),
            Some(Some(Err(_))) => return stream.send_reset(Reason::INTERNAL_ERROR),
            Some(Some(Ok(frame))) => send_frame(&mut stream, frame, body.is_end_stream()).await,
        };
        match sent {
            Ok(false) => {}
            // It is over, or the client is gone.
            Ok(true) | Err(_) => return,
        }
    }
}

/// Sends one frame of a body; answers whether that was the end.
async fn send_frame(
    stream: &mut h2::SendStream<Bytes>,
    frame: Frame<Bytes>,
    is_last: bool,
) -> Result<bool, h2::Error> {
    match frame.into_data() {
        Ok(data) => {
            let rest = send_data(stream, data).await?;
            stream.send_data(rest, is_last)?;
            Ok(is_last)
        }
        Err(frame) => {
            stream.send_trailers(frame.into_trailers().unwrap_or_default())?;
            Ok(true)
        }
    }
}

/// What a client sends with a request.
struct Incoming {
    data: RecvStream,
    /// Whether all data has come; then come trailers, if any.
    ended: bool,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.ended {
            match ready!(self.data.poll_data(context)) {
                Some(Ok(bytes)) => {
                    let length = bytes.len();
                    self.data.flow_control().release_capacity(length)?;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                // A client that has its answer may cancel what it did not say any more.
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.ended = true,
            }
        }
        let trailers: Option<HeaderMap> = ready!(self.data.poll_trailers(context))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
