use std::sync::Arc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use types::Fault;

use crate::applier::Applied;

/// What became of a request.
#[derive(Debug)]
pub enum News {
    /// The command was carried out, or refused by the state machine.
    Done(Done),
    /// This node's copy may answer the read now.
    Ready,
    /// It did not go the ordinary way, for this reason.
    Stuck(Fault),
}

/// A command's outcome; [`crate::Submission::answer`] makes the answer of it.
#[derive(Debug)]
pub struct Done(pub(crate) Applied);

/// Where a connection finds what became of its requests. Its bound is that of the requests: nothing
/// comes but to one of them, and to each once at a time.
#[derive(Default)]
pub struct Desk {
    news: Mutex<Vec<(u64, News)>>,
    waker: AtomicWaker,
}

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes all there is, by the tickets that the requests were handed over with; or has the task
    /// woken when there is something. Any number of news wake it once.
    pub fn poll(&self, context: &mut Context<'_>, into: &mut Vec<(u64, News)>) -> Poll<()> {
        self.waker.register(context.waker());
        let mut news = self.news.lock();
        if news.is_empty() {
            return Poll::Pending;
        }
        into.append(&mut news);
        Poll::Ready(())
    }

    /// Puts news there; answers whether [`Desk::wake`] must follow.
    pub(crate) fn put(&self, ticket: u64, what: News) -> bool {
        let mut news = self.news.lock();
        news.push((ticket, what));
        news.len() == 1
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn tell(&self, ticket: u64, what: News) {
        if self.put(ticket, what) {
            self.wake();
        }
    }
}
