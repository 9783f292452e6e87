use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

use super::Broken;

/// A client is asked after this long whether it is there,
const INTERVAL: Duration = Duration::from_secs(30);
/// and its connection ended if it does not answer in this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds out whether a client is gone that does not say so.
pub(super) struct KeepAlive {
    ping: Option<PingPong>,
    next: Pin<Box<Sleep>>,
    asked: bool,
}

impl KeepAlive {
    pub(super) fn new(ping: Option<PingPong>) -> Self {
        Self { ping, next: Box::pin(sleep(INTERVAL)), asked: false }
    }

    /// Asks when it is time to; fails when the client did not answer.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Result<(), Broken> {
        let Some(ping) = &mut self.ping else { return Ok(()) };
        if self.asked && ping.poll_pong(context).is_ready() {
            self.asked = false;
            self.next.as_mut().reset(Instant::now() + INTERVAL);
        }
        while self.next.as_mut().poll(context) == Poll::Ready(()) {
            if self.asked {
                return Err("the client does not answer".into());
            }
            // What cannot be sent any more is told by the connection itself.
            self.asked = ping.send_ping(Ping::opaque()).is_ok();
            self.next.as_mut().reset(Instant::now() + PATIENCE);
            if self.asked && ping.poll_pong(context).is_ready() {
                self.asked = false;
                self.next.as_mut().reset(Instant::now() + INTERVAL);
            }
        }
        Ok(())
    }
}
