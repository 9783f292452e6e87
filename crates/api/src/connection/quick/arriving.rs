use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http2::{RequestHead, StreamKey};
use tokio::time::Instant;
use tonic::Status;

use super::call::Method;
use crate::calls;
use crate::connection::send::PREFIX_BYTES;
use crate::front::MESSAGE_BYTES;

/// How long a whole request may take to come. The longest has 2 MiB.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request whose message is on its way.
pub(super) struct Arriving {
    pub(super) stream: StreamKey,
    pub(super) method: Method,
    pub(super) head: Arc<RequestHead>,
    pub(super) call: calls::Call,
    /// Since when it is waited for, once that was looked at.
    since: Option<Instant>,
    /// What has come, if that was in more than one piece.
    so_far: BytesMut,
}

impl Arriving {
    pub(super) fn new(
        stream: StreamKey,
        method: Method,
        head: &Arc<RequestHead>,
        call: calls::Call,
    ) -> Self {
        let (head, so_far) = (Arc::clone(head), BytesMut::new());
        Self { stream, method, head, call, since: None, so_far }
    }

    /// Whether its client has taken too long over it. To be asked every now and then.
    pub(super) fn is_late(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }

    /// Takes what has come; ready once that is all, with the message.
    pub(super) fn push(&mut self, bytes: Bytes, ends: bool) -> Poll<Result<Bytes, Status>> {
        // The common case: it is all there, and is not copied.
        if self.so_far.is_empty() && ends {
            return Poll::Ready(unframe(bytes));
        }
        self.so_far.extend_from_slice(&bytes);
        if self.so_far.len() > PREFIX_BYTES + MESSAGE_BYTES {
            return Poll::Ready(Err(too_long()));
        }
        match ends {
            true => Poll::Ready(unframe(std::mem::take(&mut self.so_far).freeze())),
            false => Poll::Pending,
        }
    }
}

/// In the words of grpc-go, which is what clients know from etcd.
fn too_long() -> Status {
    Status::resource_exhausted("grpc: received message larger than max")
}

/// Takes the one message out of a request's data.
fn unframe(mut data: Bytes) -> Result<Bytes, Status> {
    let bad = |words: &str| Err(Status::internal(words));
    if data.len() < PREFIX_BYTES {
        return bad("hiraeth: the request ends before its message begins");
    }
    let flag = data.get_u8();
    let length = data.get_u32() as usize;
    if length > MESSAGE_BYTES {
        return Err(too_long());
    }
    if flag != 0 {
        let words = "hiraeth: messages cannot be compressed; call without a grpc-encoding";
        return Err(Status::unimplemented(words));
    }
    match data.len() {
        // Nothing may follow the one message of a request.
        more if more > length => bad("hiraeth: the request has more than one message"),
        less if less < length => bad("hiraeth: the request ends in the middle of its message"),
        _ => Ok(data),
    }
}
