//! Telling open streams that users or rights have changed. A stream looks at its own flag only: a
//! thousand of them must not meet at one lock with every event they are sent.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

#[derive(Default)]
struct Flag {
    raised: AtomicBool,
    waker: AtomicWaker,
}

/// Everybody who wants to know.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<Flag>>>);

impl Listeners {
    pub(crate) fn listen(&self) -> AuthChanges {
        let flag = Arc::new(Flag::default());
        let mut all = self.0.lock();
        // Those that are gone go when there is no room for another: the list stays within twice
        // what it has to hold.
        if all.len() == all.capacity() {
            all.retain(|it| it.strong_count() > 0);
        }
        all.push(Arc::downgrade(&flag));
        AuthChanges(flag)
    }

    pub(super) fn wake(&self) {
        for flag in self.0.lock().iter().filter_map(Weak::upgrade) {
            flag.raised.store(true, Ordering::Release);
            flag.waker.wake();
        }
    }
}

/// Changes of users and rights, as one stream is told of them.
pub struct AuthChanges(Arc<Flag>);

impl AuthChanges {
    /// Answers once something has changed since the last answer. Cheap to ask again and again.
    pub async fn next(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// The same of those who are told only where they are held to anything; for ever without.
    pub async fn next_of(changes: &mut Option<Self>) {
        match changes {
            Some(changes) => changes.next().await,
            None => std::future::pending().await,
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let flag = &self.0;
        flag.waker.register(context.waker());
        if flag.raised.load(Ordering::Acquire) {
            flag.raised.store(false, Ordering::Release);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
