use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http2::Connection;
use tokio::time::{Instant, Sleep, sleep};

use super::Broken;

/// A client is asked after this long whether it is there,
const INTERVAL: Duration = Duration::from_secs(30);
/// and its connection ended if it does not answer in this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds out whether a client is gone that does not say so.
pub(super) struct KeepAlive {
    next: Pin<Box<Sleep>>,
    asked: bool,
}

impl KeepAlive {
    pub(super) fn new() -> Self {
        Self { next: Box::pin(sleep(INTERVAL)), asked: false }
    }

    /// The client answered.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.next.as_mut().reset(Instant::now() + INTERVAL);
        }
    }

    /// Asks when it is time to; fails when the client did not answer.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        http2: &mut Connection,
    ) -> Result<(), Broken> {
        while self.next.as_mut().poll(context) == Poll::Ready(()) {
            if std::mem::replace(&mut self.asked, true) {
                return Err("the client does not answer".into());
            }
            http2.ping();
            self.next.as_mut().reset(Instant::now() + PATIENCE);
        }
        Ok(())
    }
}
