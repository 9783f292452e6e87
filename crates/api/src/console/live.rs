//! Answers that stay true: a method is called again and again on the server's side, and a line goes out
//! whenever its answer is another one. So a page that shows what is now costs one request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::front::Front;
use crate::gateway::{self, Route};

/// Streams on one port of a node.
const STREAMS: usize = 64;
/// Between two looks, at least;
const EVERY: Duration = Duration::from_secs(1);
/// and so many times as long as a look takes, so that looking is a small part of what the node does.
const PATIENCE: u32 = 20;
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

struct Looks {
    front: Front,
    route: &'static Route,
    metadata: MetadataMap,
    text: Bytes,
    /// What was told last.
    last: Bytes,
    next: Instant,
    sign: Instant,
    end: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Looks {
    /// The next line, and who makes those that follow.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let handle = self.front.handle().clone();
        loop {
            tokio::select! {
                biased;
                () = handle.closing() => return None,
                () = sleep_until(self.next) => {}
            }
            if self.next >= self.end {
                return None;
            }
            let began = Instant::now();
            let (front, metadata) = (self.front.clone(), self.metadata.clone());
            let look = gateway::call_for_line(front, self.route, metadata, &self.text);
            let look = timeout_at(self.end, look).await.ok()?;
            self.next = Instant::now() + EVERY.max(began.elapsed() * PATIENCE);
            match look {
                Err(line) => return Some((line, None)),
                Ok(line) if line != self.last => {
                    self.last = Bytes::clone(&line);
                    self.sign = Instant::now() + SIGN;
                    return Some((line, Some(self)));
                }
                Ok(_) if Instant::now() >= self.sign => {
                    self.sign = Instant::now() + SIGN;
                    return Some((Bytes::from_static(b"\n"), Some(self)));
                }
                Ok(_) => {}
            }
        }
    }
}
