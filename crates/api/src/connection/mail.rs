use std::task::Context;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http2::{Reason, StreamKey};
use hyper::HeaderMap;
use parking_lot::Mutex;
use tonic::Status;

use super::ahead::Ahead;
use super::send::Reply;
use crate::calls::Call;

/// What a stream's task has to say to the connection's.
pub(super) enum Letter {
    /// The answer of a call, once.
    Answer(Call, Box<Result<Reply, Status>>),
    /// HTTP status and fields; whether that is all.
    Headers(u16, HeaderMap, bool),
    /// Data; whether that is the end.
    Data(Bytes, bool),
    Trailers(HeaderMap),
    Reset(Reason),
    /// So many bytes from the client were used.
    Used(usize),
}

/// What the tasks of a connection's streams have to say to it. No task says more than a bounded number
/// of bytes before it was heard ([`super::stream::Inbound::has_room`]), nor do all together ([`Ahead`]).
pub(super) struct Mail {
    pub(super) ahead: Ahead,
    letters: Mutex<Vec<(StreamKey, Letter)>>,
    waker: AtomicWaker,
}

impl Letter {
    /// Bytes of data in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Data(data, _) => data.len(),
            _ => 0,
        }
    }
}

impl Mail {
    pub(super) fn new(ahead: Ahead) -> Self {
        Self { ahead, letters: Mutex::default(), waker: AtomicWaker::new() }
    }

    pub(super) fn post(&self, stream: StreamKey, letter: Letter) {
        self.ahead.add(letter.bytes());
        let is_first = {
            let mut letters = self.letters.lock();
            letters.push((stream, letter));
            letters.len() == 1
        };
        if is_first {
            self.waker.wake();
        }
    }

    /// What there is; more wakes the connection's task.
    pub(super) fn take(&self, context: &mut Context<'_>) -> Vec<(StreamKey, Letter)> {
        self.waker.register(context.waker());
        std::mem::take(&mut *self.letters.lock())
    }
}
