//! Calls that have a task of their own, and the services behind them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http2::{Fields, Reason, RequestHead, StreamKey};
use hyper::body::{Body, Frame};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Uri, Version};
use parking_lot::Mutex;

use super::mail::{Letter, Mail};
use crate::front::Front;

/// Bytes of answers under way to the connection's task, from which on a task waits.
const AHEAD_BYTES: usize = 64 * 1024;
/// Data in smaller pieces is put together, or a client's single bytes would take up far more than its
/// window says.
const PIECE_BYTES: usize = 4 * 1024;

/// The request as services take it; `None` if it cannot be one.
pub(super) fn request(head: &RequestHead, body: Incoming) -> Option<Request<Incoming>> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(&head.method).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(head.path.clone()).ok()?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers(&head.fields)?;
    Some(request)
}

/// Fields as services take them.
pub(super) fn headers(fields: &Fields) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(value.clone()).ok()?);
    }
    Some(headers)
}

/// Has the services answer a request. Ended from outside when the client gives it up.
pub(super) async fn serve(
    front: Front,
    request: Request<Incoming>,
    mail: Arc<Mail>,
    inbound: Arc<Inbound>,
    stream: StreamKey,
) {
    let say = |letter| mail.post(stream, letter);
    let is_head = request.method() == Method::HEAD;
    let Ok(answer) = front.serve(request).await;
    let (parts, mut body) = answer.into_parts();
    // Only hyper's own connections leave out what a HEAD must not have.
    let mut ends = is_head || body.is_end_stream();
    say(Letter::Headers(parts.status.as_u16(), parts.headers, ends));
    while !ends {
        let next = poll_fn(|context| {
            match inbound.has_room(context) && mail.ahead.has_room(stream, context) {
                true => Pin::new(&mut body).poll_frame(context),
                false => Poll::Pending,
            }
        });
        let letter = match next.await {
            None => Letter::Data(Bytes::new(), true),
            Some(Err(_)) => Letter::Reset(Reason::INTERNAL_ERROR),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    inbound.add(data.len());
                    say(Letter::Data(data, body.is_end_stream()));
                    ends = body.is_end_stream();
                    continue;
                }
                Err(frame) => Letter::Trailers(frame.into_trailers().unwrap_or_default()),
            },
        };
        ends = true;
        say(letter);
    }
}

/// What passes between the connection's task and a stream's, beside letters.
#[derive(Default)]
pub(super) struct Inbound(Mutex<State>);

#[derive(Default)]
struct State {
    /// What came and was not taken; at most the stream's window.
    pieces: std::collections::VecDeque<Bytes>,
    small: BytesMut,
    trailers: Option<HeaderMap>,
    ended: bool,
    reader: Option<Waker>,
    /// Bytes of answers posted and not taken.
    ahead: usize,
    writer: Option<Waker>,
}

impl Inbound {
    pub(super) fn push(&self, bytes: Bytes, ends: bool) {
        self.change(|state| {
            if bytes.len() < PIECE_BYTES && !(ends && state.small.is_empty()) {
                state.small.extend_from_slice(&bytes);
            } else {
                state.flush();
                state.pieces.extend((!bytes.is_empty()).then_some(bytes));
            }
            if state.small.len() >= PIECE_BYTES {
                state.flush();
            }
            state.ended = ends;
        });
    }

    pub(super) fn end(&self, trailers: Option<HeaderMap>) {
        self.change(|state| {
            state.trailers = trailers;
            state.ended = true;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let reader = {
            let mut state = self.0.lock();
            change(&mut state);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// So many bytes of the stream's answers were taken.
    pub(super) fn taken(&self, bytes: usize) {
        let writer = {
            let mut state = self.0.lock();
            state.ahead = state.ahead.saturating_sub(bytes);
            if state.ahead < AHEAD_BYTES { state.writer.take() } else { None }
        };
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Whether more may be posted; if not, the task is woken when it may: nothing is made of which it is
    /// known that it would wait.
    fn has_room(&self, context: &Context<'_>) -> bool {
        let mut state = self.0.lock();
        let is_full = state.ahead >= AHEAD_BYTES;
        if is_full {
            state.writer = Some(context.waker().clone());
        }
        !is_full
    }

    fn add(&self, bytes: usize) {
        self.0.lock().ahead += bytes;
    }
}

impl State {
    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(self.small.split().freeze());
        }
    }
}

/// What a client sends with a request.
pub(super) struct Incoming {
    pub(super) stream: StreamKey,
    pub(super) inbound: Arc<Inbound>,
    pub(super) mail: Arc<Mail>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.inbound.0.lock();
        if state.pieces.is_empty() {
            state.flush();
        }
        if let Some(bytes) = state.pieces.pop_front() {
            drop(state);
            self.mail.post(self.stream, Letter::Used(bytes.len()));
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if state.ended {
            return Poll::Ready(
                state.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            );
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let state = self.inbound.0.lock();
        state.ended && state.pieces.is_empty() && state.small.is_empty() && state.trailers.is_none()
    }
}
