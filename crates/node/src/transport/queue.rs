use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use env::Refused;
use futures::Stream;
use parking_lot::Mutex;
use proto::peer::Frame;

/// Frames waiting for one link; it lives as long as the link. Any thread puts in, the link's stream
/// takes out. A frame put into an empty queue wakes the stream at once.
pub(super) struct Queue {
    frames: usize,
    bytes: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Takes nothing more; what is there still goes out.
    ended: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// A queue of at most `frames` frames that have `bytes` bytes together.
    pub(super) fn new(frames: usize, bytes: usize) -> Arc<Self> {
        Arc::new(Self { frames, bytes, waiting: Mutex::default() })
    }

    pub(super) fn push(&self, frame: Bytes) -> Result<(), Refused> {
        let waker = {
            let mut waiting = self.waiting.lock();
            let bytes = waiting.bytes.saturating_add(frame.len());
            if waiting.ended || waiting.frames.len() >= self.frames || bytes > self.bytes {
                return Err(Refused);
            }
            waiting.bytes = bytes;
            waiting.frames.push_back(frame);
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes nothing more and ends the stream when what is there has gone out.
    pub(super) fn finish(&self) {
        self.end(false);
    }

    /// Takes nothing more, drops what is there, and ends the stream.
    pub(super) fn close(&self) {
        self.end(true);
    }

    fn end(&self, drop: bool) {
        let waker = {
            let mut waiting = self.waiting.lock();
            waiting.ended = true;
            if drop {
                waiting.frames = VecDeque::new();
                waiting.bytes = 0;
            }
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The end of a queue that feeds the network.
pub(super) struct Outgoing(pub(super) Arc<Queue>);

impl Stream for Outgoing {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut waiting = self.0.waiting.lock();
        if let Some(payload) = waiting.frames.pop_front() {
            waiting.bytes -= payload.len();
            return Poll::Ready(Some(Frame { payload }));
        }
        if waiting.ended {
            return Poll::Ready(None);
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::{Outgoing, Queue};
    use bytes::Bytes;
    use env::Refused;
    use futures::{FutureExt, StreamExt};

    #[test]
    fn a_queue_is_bounded_by_count_and_by_bytes() {
        let queue = Queue::new(3, 100);
        let mut outgoing = Outgoing(queue.clone());
        let frame = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
        queue.push(frame(1, 60)).unwrap();
        assert_eq!(queue.push(frame(2, 41)), Err(Refused));
        queue.push(frame(2, 40)).unwrap();
        assert_eq!(outgoing.next().now_or_never().flatten().unwrap().payload, frame(1, 60));
        queue.push(frame(3, 1)).unwrap();
        queue.push(frame(4, 1)).unwrap();
        assert_eq!(queue.push(frame(5, 1)), Err(Refused));

        queue.finish();
        assert_eq!(queue.push(frame(6, 1)), Err(Refused));
        let rest: Vec<_> =
            outgoing.by_ref().map(|frame| frame.payload[0]).collect().now_or_never().unwrap();
        assert_eq!(rest, [2, 3, 4]);
    }

    #[test]
    fn a_queue_whose_link_is_gone_refuses() {
        let queue = Queue::new(3, 100);
        let outgoing = Outgoing(queue.clone());
        queue.push(Bytes::from_static(b"x")).unwrap();
        drop(outgoing);
        assert_eq!(queue.push(Bytes::from_static(b"x")), Err(Refused));
    }
}
