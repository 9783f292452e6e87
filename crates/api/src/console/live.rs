//! Answers that stay true: a method is called again and again on the server's side, and a line goes out
//! whenever its answer is another one. So a page that shows what is now costs one request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::front::Front;
use crate::gateway::{self, Route};

/// Streams on one port of a node.
const STREAMS: usize = 64;
/// Between two looks, at least;
const EVERY: Duration = Duration::from_secs(1);
/// and so many times as long as a look of this stream took, so that looking is a small part of what the node
/// does;
const TIMES: u32 = 20;
/// but no more than this: whoever looks at a page would take it for what is now.
const AT_MOST: Duration = Duration::from_secs(10);
/// A line that says nothing goes out after so long, by which whoever is gone is found out.
const SIGN: Duration = Duration::from_secs(10);
/// Then whoever listens is to ask again.
const LIFE: Duration = Duration::from_secs(600);

/// The streams of a port.
pub(super) struct Live(Arc<Semaphore>);

impl Live {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS)))
    }

    /// A stream of a method's answers as lines, until it ends or the method fails.
    ///
    /// # Errors
    /// `ResourceExhausted` for one too many.
    pub(super) fn open(
        &self,
        front: Front,
        route: &'static Route,
        metadata: MetadataMap,
        text: Bytes,
    ) -> Result<Body, Status> {
        let seat = Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "hiraeth: {STREAMS} pages of the console are kept up to date by this node already"
            ))
        })?;
        let now = Instant::now();
        let looks = Looks {
            front,
            route,
            metadata,
            text,
            look: None,
            last: Bytes::new(),
            next: now,
            sign: now + SIGN,
            end: now + LIFE,
            _seat: seat,
        };
        let lines = stream::unfold(Some(looks), |looks| async {
            let (line, looks) = looks?.next().await?;
            Some((Ok::<_, Infallible>(line), looks))
        });
        Ok(Body::from_stream(lines))
    }
}

/// What a look came to: a line; an error as the last line.
type Look = Pin<Box<dyn Future<Output = Result<Bytes, Bytes>> + Send>>;

struct Looks {
    front: Front,
    route: &'static Route,
    metadata: MetadataMap,
    text: Bytes,
    /// The one that is under way, and when it began.
    look: Option<(Look, Instant)>,
    /// What was told last.
    last: Bytes,
    next: Instant,
    sign: Instant,
    end: Instant,
    _seat: OwnedSemaphorePermit,
}

/// How long after a look the next one begins.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(TIMES).clamp(EVERY, AT_MOST)
}

impl Looks {
    /// The next line, and who makes those that follow.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let handle = self.front.handle().clone();
        loop {
            let began = match &self.look {
                Some((_, began)) => *began,
                None => Instant::now(),
            };
            let looked = tokio::select! {
                biased;
                () = handle.closing() => return None,
                () = sleep_until(self.end) => return None,
                looked = look(&mut self.look) => looked,
                () = sleep_until(self.next), if self.look.is_none() => {
                    let (front, metadata) = (self.front.clone(), self.metadata.clone());
                    let (route, text) = (self.route, self.text.clone());
                    let asking = async move {
                        gateway::call_for_line(front, route, metadata, &text).await
                    };
                    self.look = Some((Box::pin(asking), Instant::now()));
                    continue;
                }
                // Also while a look takes long.
                () = sleep_until(self.sign) => {
                    self.sign = Instant::now() + SIGN;
                    return Some((Bytes::from_static(b"\n"), Some(self)));
                }
            };
            self.look = None;
            self.next = Instant::now() + pause(began.elapsed());
            match looked {
                Err(line) => return Some((line, None)),
                Ok(line) if line != self.last => {
                    self.last = Bytes::clone(&line);
                    self.sign = Instant::now() + SIGN;
                    return Some((line, Some(self)));
                }
                Ok(_) => {}
            }
        }
    }
}

/// Waits for the look that is under way.
async fn look(under_way: &mut Option<(Look, Instant)>) -> Result<Bytes, Bytes> {
    match under_way {
        Some((look, _)) => look.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AT_MOST, EVERY, SIGN, pause};

    #[test]
    fn looks_that_take_long_are_seldom_and_never_too_seldom() {
        assert_eq!(pause(Duration::ZERO), EVERY);
        assert_eq!(pause(Duration::from_millis(200)), Duration::from_secs(4));
        assert_eq!(pause(Duration::from_secs(3)), AT_MOST);
        assert_eq!(pause(Duration::MAX), AT_MOST);
        // The pages take a stream for broken that says nothing for 25 seconds.
        assert!(SIGN * 2 < Duration::from_secs(25));
    }
}
