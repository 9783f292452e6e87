//! Answers of gRPC calls, as they go into HTTP/2.

use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{Either, select};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use prost::Message;
use tonic::{Code, Status};

use crate::calls::Call;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");
/// Compression flag and length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX_BYTES: usize = 5;

/// An answer, ready to go.
pub(super) struct Reply {
    message: Bytes,
    metadata: HeaderMap,
}

impl Reply {
    /// `message`, with what `metadata` tells beside it.
    pub(super) fn new(message: &impl Message, metadata: HeaderMap) -> Self {
        let length = message.encoded_len();
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        // Into a buffer that grows, encoding does not fail.
        message.encode_raw(&mut bytes);
        Self { message: bytes.freeze(), metadata }
    }
}

/// Where an answer goes, and the call it ends.
pub(super) struct Respond {
    respond: SendResponse<Bytes>,
    call: Call,
}

impl Respond {
    pub(super) fn new(respond: SendResponse<Bytes>, call: Call) -> Self {
        Self { respond, call }
    }
}

/// Has a task of its own wait for an answer and send it, unless the client gives it up before.
pub(super) fn send_later(
    mut respond: Respond,
    answer: impl Future<Output = Result<Reply, Status>> + Send + 'static,
) {
    tokio::spawn(async move {
        let given_up = poll_fn(|context| respond.respond.poll_reset(context));
        let answer = match select(pin!(answer), given_up).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => return,
        };
        send(respond, answer);
    });
}

/// Sends an answer, or why there is none. One that the client does not take yet waits for that in a
/// task of its own. A client that is gone is nobody to tell.
pub(super) fn send(respond: Respond, answer: Result<Reply, Status>) {
    let Respond { mut respond, call } = respond;
    call.ended(answer.as_ref().err().map_or(Code::Ok, Status::code));
    let reply = match answer {
        Ok(reply) => reply,
        Err(status) => return drop(respond.send_response(status.into_http::<()>(), true)),
    };
    let mut response = hyper::Response::new(());
    *response.headers_mut() = reply.metadata;
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    stream.reserve_capacity(reply.message.len());
    if stream.capacity() >= reply.message.len() {
        drop(finish(&mut stream, reply.message));
    } else {
        tokio::spawn(async move {
            if let Ok(rest) = send_data(&mut stream, reply.message).await {
                drop(finish(&mut stream, rest));
            }
        });
    }
}

fn finish(stream: &mut SendStream<Bytes>, last: Bytes) -> Result<(), h2::Error> {
    stream.send_data(last, false)?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, OK);
    stream.send_trailers(trailers)
}

/// Sends data as the client takes it; answers with the last of it, for which there is room. Fails when
/// the client is gone or wants no more.
pub(super) async fn send_data(
    stream: &mut SendStream<Bytes>,
    mut data: Bytes,
) -> Result<Bytes, h2::Error> {
    loop {
        stream.reserve_capacity(data.len());
        if stream.capacity() == 0 && !data.is_empty() {
            let room = poll_fn(|context| {
                if let std::task::Poll::Ready(reset) = stream.poll_reset(context) {
                    return std::task::Poll::Ready(Some(reset.and_then(|why| Err(why.into()))));
                }
                stream.poll_capacity(context)
            });
            room.await.unwrap_or(Err(Reason::CANCEL.into()))?;
        }
        let room = stream.capacity();
        if room >= data.len() {
            return Ok(data);
        }
        stream.send_data(data.split_to(room), false)?;
    }
}
