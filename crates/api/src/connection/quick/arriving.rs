use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use h2::RecvStream;
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::call::Method;
use crate::connection::send::Respond;
use crate::front::MESSAGE_BYTES;

/// Compression flag and length.
const PREFIX_BYTES: usize = 5;

/// How long a whole request may take to come. The longest has 2 MiB.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request whose message is on its way.
pub(super) struct Arriving {
    pub(super) method: Method,
    pub(super) metadata: MetadataMap,
    pub(super) respond: Respond,
    data: RecvStream,
    since: Instant,
    /// What has come, if that was in more than one piece.
    so_far: BytesMut,
}

/// How a request's message came.
pub(super) enum Arrived {
    Whole(Bytes),
    Bad(Status),
    Gone,
}

impl Arriving {
    pub(super) fn new(
        method: Method,
        metadata: MetadataMap,
        data: RecvStream,
        respond: Respond,
    ) -> Self {
        Self { method, metadata, respond, data, since: Instant::now(), so_far: BytesMut::new() }
    }

    /// Whether its client has taken too long over it.
    pub(super) fn is_late(&self) -> bool {
        self.since.elapsed() > PATIENCE
    }

    /// Takes what has come; ready once that is all.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Arrived> {
        loop {
            let bytes = match self.data.poll_data(context) {
                Poll::Ready(Some(Ok(bytes))) => bytes,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Arrived::Gone),
                Poll::Ready(None) => {
                    return Poll::Ready(unframe(std::mem::take(&mut self.so_far).freeze()));
                }
                Poll::Pending => return Poll::Pending,
            };
            if self.data.flow_control().release_capacity(bytes.len()).is_err() {
                return Poll::Ready(Arrived::Gone);
            }
            // The common case: it is all there, and is not copied.
            if self.so_far.is_empty() && self.data.is_end_stream() {
                return Poll::Ready(unframe(bytes));
            }
            self.so_far.extend_from_slice(&bytes);
            if self.so_far.len() > PREFIX_BYTES + MESSAGE_BYTES {
                return Poll::Ready(Arrived::Bad(too_long()));
            }
        }
    }
}

/// In the words of grpc-go, which is what clients know from etcd.
fn too_long() -> Status {
    Status::resource_exhausted("grpc: received message larger than max")
}

/// Takes the one message out of a request's data.
fn unframe(mut data: Bytes) -> Arrived {
    let bad = |words: &str| Arrived::Bad(Status::internal(words));
    if data.len() < PREFIX_BYTES {
        return bad("hiraeth: the request ends before its message begins");
    }
    let flag = data.get_u8();
    let length = data.get_u32() as usize;
    if length > MESSAGE_BYTES {
        return Arrived::Bad(too_long());
    }
    if flag != 0 {
        let words = "hiraeth: messages cannot be compressed; call without a grpc-encoding";
        return Arrived::Bad(Status::unimplemented(words));
    }
    match data.len() {
        // Nothing may follow the one message of a request.
        more if more > length => bad("hiraeth: the request has more than one message"),
        less if less < length => bad("hiraeth: the request ends in the middle of its message"),
        _ => Arrived::Whole(data),
    }
}
