//! Answers of gRPC calls.

use bytes::{BufMut, Bytes, BytesMut};
use http2::StreamKey;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use prost::Message;
use proto::etcdserverpb as pb;
use spans::Trace;
use tonic::{Code, Status};

use super::mail::Letter;
use super::wire::Wire;
use crate::calls::Call;

/// Compression flag and length (gRPC over HTTP/2, "Length-Prefixed-Message").
pub(super) const PREFIX_BYTES: usize = 5;

/// An answer, not encoded yet: that happens where it is written.
pub(super) enum Reply {
    Put(pb::PutResponse),
    Delete(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse, Told),
    Range(pb::RangeResponse, Told),
}

/// What is told beside an answer.
pub(super) type Told = Option<(&'static str, String)>;

impl Reply {
    fn send(self, wire: &mut Wire, stream: StreamKey) {
        match self {
            Self::Put(message) => wire.unary(stream, None, &message),
            Self::Delete(message) => wire.unary(stream, None, &message),
            Self::Txn(message, told) => wire.unary(stream, told, &message),
            Self::Range(message, told) => wire.unary(stream, told, &message),
        }
    }

    /// A message of so many bytes, as data of an answer.
    pub(super) fn framed(message: &impl Message, length: usize) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        // Into a buffer that grows, encoding does not fail.
        message.encode_raw(&mut bytes);
        bytes.freeze()
    }
}

/// The trailers of success.
pub(super) fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

/// Where an answer goes, and the call it ends.
pub(super) struct Respond {
    stream: StreamKey,
    call: Call,
}

impl Respond {
    pub(super) fn new(stream: StreamKey, call: Call) -> Self {
        Self { stream, call }
    }

    /// Under which the work for it is told, if it is traced.
    pub(super) fn traced(&self) -> Option<&Trace> {
        self.call.traced()
    }
}

/// Has a task of its own wait for an answer and send it, unless the client gives it up before.
pub(super) fn send_later(
    wire: &mut Wire,
    respond: Respond,
    answer: impl Future<Output = Result<Reply, Status>> + Send + 'static,
) {
    let mail = wire.mail.clone();
    let Respond { stream, call } = respond;
    let trace = call.traced().cloned();
    let work = async move {
        let answer = Box::new(answer.await);
        mail.post(stream, Letter::Answer(call, answer));
    };
    match trace {
        None => wire.run(stream, None, work),
        Some(trace) => wire.run(stream, None, spans::within(trace, work)),
    }
}

/// Sends an answer, or why there is none. A client that is gone is nobody to tell.
pub(super) fn send(wire: &mut Wire, respond: Respond, answer: Result<Reply, Status>) {
    let Respond { stream, call } = respond;
    call.ended(answer.as_ref().err().map_or(Code::Ok, Status::code));
    match answer {
        Ok(reply) => reply.send(wire, stream),
        Err(status) => wire.status(stream, status),
    }
}
