//! One write for the answers of many requests.
//!
//! A request that ends wakes its connection's task, and tokio runs the task woken last next. Left
//! alone, a busy connection so writes every answer by itself, and these system calls cost more than
//! anything else. A connection woken while more of its requests are under way steps back behind the
//! tasks that are ready now, once, and then writes what they left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The requests under way on one connection.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    /// `request`, counted until it has its answer.
    pub(crate) fn count<F>(&self, request: F) -> Counted<F> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted { request, place: Some(Place(self.clone())) }
    }

    /// Drives `connection` to its end, or until this is dropped.
    pub(crate) fn drive<'a, C>(&self, connection: Pin<&'a mut C>) -> Driven<'a, C> {
        Driven { connection, crowd: self.clone(), stepped_back: false }
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

struct Place(Crowd);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request under way.
pub(crate) struct Counted<F> {
    request: F,
    place: Option<Place>,
}

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = Pin::new(&mut self.request).poll(context);
        if answer.is_ready() {
            self.place = None;
        }
        answer
    }
}

/// A connection being driven.
pub(crate) struct Driven<'a, C> {
    connection: Pin<&'a mut C>,
    crowd: Crowd,
    stepped_back: bool,
}

impl<C: Future> Future for Driven<'_, C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        if !self.stepped_back && !self.crowd.is_empty() {
            self.stepped_back = true;
            // A task that wakes itself goes to the end of the queue.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.stepped_back = false;
        self.connection.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll};

    use futures::FutureExt;
    use futures::task::noop_waker_ref;

    use super::Crowd;

    #[test]
    fn a_connection_steps_back_once_for_each_waking_while_requests_are_under_way() {
        let crowd = Crowd::default();
        let polled = Cell::new(0);
        let connection = pin!(poll_fn(|_| {
            polled.set(polled.get() + 1);
            Poll::<()>::Pending
        }));
        let mut driven = crowd.drive(connection);
        let context = &mut Context::from_waker(noop_waker_ref());
        let mut polls = |times: u32| {
            let before = polled.get();
            (0..times).for_each(|_| assert!(driven.poll_unpin(context).is_pending()));
            polled.get() - before
        };
        assert_eq!(polls(2), 2, "alone, it need not wait for anybody");
        let answered = crowd.count(std::future::ready(()));
        let dropped = crowd.count(pending::<()>());
        assert_eq!(polls(6), 3);
        assert_eq!(answered.now_or_never(), Some(()));
        assert_eq!(polls(2), 1);
        drop(dropped);
        assert_eq!(polls(2), 2);
    }
}
