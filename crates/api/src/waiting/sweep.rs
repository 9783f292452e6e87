use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How often what waits is looked at. What was there at the last look, too, takes long, and gets a
/// task that finds out why.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Says every now and then that it is time to look.
#[derive(Default)]
pub(crate) struct Sweep(Option<Pin<Box<Sleep>>>);

impl Sweep {
    /// Whether it is time to look for what waits. If something does, this wakes the task when it is.
    pub(crate) fn is_due(&mut self, waiting: bool, context: &mut Context<'_>) -> bool {
        if waiting && self.0.is_none() {
            self.0 = Some(Box::pin(sleep(LOOK_AGAIN)));
        }
        let Some(timer) = &mut self.0 else { return false };
        if timer.as_mut().poll(context).is_pending() {
            return false;
        }
        if waiting {
            timer.as_mut().reset(Instant::now() + LOOK_AGAIN);
        } else {
            self.0 = None;
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::Sweep;

    #[tokio::test]
    async fn what_begins_to_wait_is_looked_at_again_and_again_whatever_else_happens() {
        let (mut sweep, mut looks) = (Sweep::default(), 0);
        poll_fn(|context| {
            while sweep.is_due(looks < 3, context) {
                looks += 1;
            }
            if looks == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
