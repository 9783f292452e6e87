use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use hyper::Request;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Broken;
use super::greeting::Greeted;
use super::keep_alive::KeepAlive;
use super::quick::Quick;
use super::stream;
use crate::authority::Inspected;
use crate::front::Front;

/// Requests and streams under way at once on one connection. A Kubernetes API server or a load
/// generator puts everything on one connection.
const STREAMS: u32 = 16_384;
/// Bytes a client may send ahead on one stream: the longest message, so that none is sent in turns.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes a client may send ahead on one connection.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Resets a client may have outstanding. Cancelled requests cost little here, and `h2`'s own bound
/// of 20 would end the connections of clients that give up on many at once.
const RESETS: usize = 1_024;
/// Bytes of headers of one request, counted as HPACK does. Tokens are the longest of them.
const HEADER_BYTES: u32 = 16 * 1024;
/// How long the settings may take to be exchanged.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(30);

/// Serves a client of HTTP/2.
pub(super) async fn serve(
    front: Front,
    stream: Greeted,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Broken> {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .max_pending_accept_reset_streams(RESETS);
    let mut http2 = timeout(HANDSHAKE, builder.handshake(Inspected::new(stream))).await??;
    let driver = Driver {
        keep_alive: KeepAlive::new(http2.ping_pong()),
        http2,
        quick: Quick::new(&front),
        front,
        streams: Arc::default(),
        stepped_back: false,
    };
    let mut driver = pin!(driver);
    tokio::select! {
        served = driver.as_mut() => return served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => driver.http2.graceful_shutdown(),
    }
    driver.await
}

struct Driver {
    http2: Connection<Inspected<Greeted>, Bytes>,
    keep_alive: KeepAlive,
    front: Front,
    quick: Quick,
    /// Calls that have a task of their own.
    streams: Arc<AtomicUsize>,
    stepped_back: bool,
}

impl Driver {
    fn take(
        &mut self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        context: &mut Context<'_>,
    ) {
        if let Some((request, respond)) = self.quick.take(request, respond, context) {
            let serving = stream::serve(self.front.clone(), request, respond);
            let place = Place::new(&self.streams);
            tokio::spawn(async move {
                serving.await;
                drop(place);
            });
        }
    }

    /// Whether to let the tasks that are ready now go first, so that one write takes what they leave.
    /// A task that ends wakes its connection's, and tokio runs the task woken last next: left alone,
    /// a busy connection so writes every answer by itself, and these system calls cost more than
    /// anything else.
    fn steps_back(&mut self) -> bool {
        self.stepped_back = !self.stepped_back && self.streams.load(Ordering::Relaxed) > 0;
        self.stepped_back
    }
}

impl Future for Driver {
    type Output = Result<(), Broken>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.steps_back() {
            // A task that wakes itself goes to the end of the queue.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.quick.answer(context);
        loop {
            match this.http2.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => this.take(request, respond, context),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        this.quick.read_on(context);
        this.quick.send();
        this.keep_alive.poll(context)?;
        Poll::Pending
    }
}

/// A call under way.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn new(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
