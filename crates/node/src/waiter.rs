//! Who waits: a task for itself, or a connection for one of its many requests.

use tokio::sync::oneshot;
use types::{Code, Fault};

use crate::applier::Applied;
use crate::desk::{News, Way};

/// Who waits for a command's outcome.
pub(crate) enum Waiter {
    Task(oneshot::Sender<Applied>),
    Desk(Way),
}

/// Who waits until a read may be served. Dropped without an answer, it tells that there is none.
pub(crate) struct ReadReply(Option<Reader>);

enum Reader {
    Task(oneshot::Sender<Result<(), Code>>),
    Desk(Way),
}

impl ReadReply {
    /// One task, and where it gets its answer.
    pub(crate) fn task() -> (Self, oneshot::Receiver<Result<(), Code>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(Reader::Task(sender))), receiver)
    }

    pub(crate) fn desk(way: Way) -> Self {
        Self(Some(Reader::Desk(way)))
    }

    pub(crate) fn send(mut self, result: Result<(), Code>) {
        match self.0.take() {
            // Nobody there any more: the request timed out.
            Some(Reader::Task(sender)) => drop(sender.send(result)),
            Some(Reader::Desk(way)) => match result {
                Ok(()) => way.desk.tell(way.ticket, News::Ready),
                Err(code) => way.desk.tell(way.ticket, News::Stuck(code.into())),
            },
            None => {}
        }
    }
}

impl Drop for ReadReply {
    fn drop(&mut self) {
        if let Some(Reader::Desk(way)) = self.0.take() {
            way.desk.tell(way.ticket, News::Stuck(Fault::from(Code::ShuttingDown)));
        }
    }
}
