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
/// takes out, urgent ones first. A frame put into an empty queue wakes the stream at once.
pub(super) struct Queue {
    frames: usize,
    bytes: usize,
    waiting: Mutex<Waiting>,
}

/// The urgent frames' share of a queue's bounds, on top of them: they are few and short.
const URGENT_SHARE: usize = 4;

#[derive(Default)]
struct Lane {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    urgent: Lane,
    bulk: Lane,
    /// Takes nothing more; what is there still goes out.
    ended: bool,
    waker: Option<Waker>,
}

impl Lane {
    fn push(&mut self, frame: Bytes, most_frames: usize, most_bytes: usize) -> Result<(), Refused> {
        let bytes = self.bytes.saturating_add(frame.len());
        if self.frames.len() >= most_frames || bytes > most_bytes {
            return Err(Refused);
        }
        self.bytes = bytes;
        self.frames.push_back(frame);
        Ok(())
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Bytes> {
        self.urgent.pop().or_else(|| self.bulk.pop())
    }
}

impl Queue {
    /// A queue of at most `frames` frames that have `bytes` bytes together, and a quarter of that
    /// for urgent ones.
    pub(super) fn new(frames: usize, bytes: usize) -> Arc<Self> {
        Arc::new(Self { frames, bytes, waiting: Mutex::default() })
    }

    pub(super) fn push(&self, frame: Bytes, urgent: bool) -> Result<(), Refused> {
        let waker = {
            let mut waiting = self.waiting.lock();
            if waiting.ended {
                return Err(Refused);
            }
            if urgent {
                let frames = self.frames.div_ceil(URGENT_SHARE);
                waiting.urgent.push(frame, frames, self.bytes / URGENT_SHARE)?;
            } else {
                waiting.bulk.push(frame, self.frames, self.bytes)?;
            }
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
                waiting.urgent = Lane::default();
                waiting.bulk = Lane::default();
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
        if let Some(payload) = waiting.pop() {
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
        queue.push(frame(1, 60), false).unwrap();
        assert_eq!(queue.push(frame(2, 41), false), Err(Refused));
        queue.push(frame(2, 40), false).unwrap();
        assert_eq!(outgoing.next().now_or_never().flatten().unwrap().payload, frame(1, 60));
        queue.push(frame(3, 1), false).unwrap();
        queue.push(frame(4, 1), false).unwrap();
        assert_eq!(queue.push(frame(5, 1), false), Err(Refused));

        queue.finish();
        assert_eq!(queue.push(frame(6, 1), false), Err(Refused));
        let rest: Vec<_> =
            outgoing.by_ref().map(|frame| frame.payload[0]).collect().now_or_never().unwrap();
        assert_eq!(rest, [2, 3, 4]);
    }

    #[test]
    fn urgent_frames_are_taken_with_the_queue_full_and_leave_first() {
        let queue = Queue::new(8, 800);
        let mut outgoing = Outgoing(queue.clone());
        let frame = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
        while queue.push(frame(1, 100), false).is_ok() {}
        queue.push(frame(2, 100), true).unwrap();
        queue.push(frame(3, 100), true).unwrap();
        assert_eq!(queue.push(frame(4, 1), true), Err(Refused), "this lane is bounded, too");
        assert_eq!(queue.push(frame(5, 0), false), Err(Refused), "and is no way around the other");
        let first: Vec<_> = outgoing
            .by_ref()
            .take(3)
            .map(|frame| frame.payload[0])
            .collect()
            .now_or_never()
            .unwrap();
        assert_eq!(first, [2, 3, 1]);
    }

    #[test]
    fn a_queue_whose_link_is_gone_refuses() {
        let queue = Queue::new(3, 100);
        let outgoing = Outgoing(queue.clone());
        queue.push(Bytes::from_static(b"x"), false).unwrap();
        drop(outgoing);
        assert_eq!(queue.push(Bytes::from_static(b"x"), false), Err(Refused));
    }
}
