use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http2::{Connection, Event, Limits, RequestHead, StreamKey};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::keep_alive::KeepAlive;
use super::quick::Quick;
use super::stream::{self, Inbound, Incoming};
use super::wire::Wire;
use super::{Broken, Greeted};
use crate::front::Front;

const LIMITS: Limits = Limits {
    // A Kubernetes API server or a load generator puts everything on one connection.
    streams: 16_384,
    // More than the longest message, which is not counted as used before it is whole.
    stream_window: 2 * 1024 * 1024 + 64 * 1024,
    connection_window: 8 * 1024 * 1024,
    // Tokens are the longest headers.
    header_bytes: 16 * 1024,
    // Clients may ask as often as they like whether we are there; this is more than they can use.
    control_frames: 50_000,
    // Requests given up cost little here; a client may give up on all it has at once.
    resets: 4_096,
};
/// How long a client that never asked for anything may take to hear that the server stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes of room made for what is read next,
const READ_BYTES: usize = 16 * 1024;
/// once there is less than this.
const ROOM_BYTES: usize = 4 * 1024;
/// Reads in one turn, so that what came is worked on now and then.
const READS: usize = 8;
/// Bytes of room for output that are kept between writes.
const KEPT_BYTES: usize = 64 * 1024;

/// Serves a client of HTTP/2.
pub(super) async fn serve(
    front: Front,
    stream: Greeted,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Broken> {
    let driver = Driver {
        stream,
        input: BytesMut::new(),
        wire: Wire::new(Connection::new(LIMITS), front.guest().cloned()),
        keep_alive: KeepAlive::new(),
        quick: Quick::new(&front),
        front,
        since: Instant::now(),
        seconds: 0,
        stepped_back: false,
    };
    let mut driver = pin!(driver);
    tokio::select! {
        served = driver.as_mut() => return served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => driver.wire.http2.leave(),
    }
    if !driver.wire.http2.has_had_requests() {
        // A request that is on its way comes before the client says that it heard.
        let farewell = timeout(FAREWELL, driver.as_mut()).await;
        match farewell {
            Ok(served) => return served,
            Err(_) if !driver.wire.http2.has_had_requests() => return Ok(()),
            Err(_) => {}
        }
    }
    driver.await
}

struct Driver {
    stream: Greeted,
    input: BytesMut,
    wire: Wire,
    keep_alive: KeepAlive,
    front: Front,
    quick: Quick,
    since: Instant,
    /// Seconds since then that the connection was told of.
    seconds: u64,
    stepped_back: bool,
}

/// What reading came to.
#[derive(PartialEq, Eq)]
enum Read {
    /// There is no more for now.
    All,
    /// There may be more.
    Some,
    /// The client has closed.
    End,
}

impl Driver {
    /// Whether to let the tasks that are ready now go first, so that one write takes what they leave.
    /// A task that ends wakes its connection's, and tokio runs the task woken last next: left alone,
    /// a busy connection so writes every answer by itself, and these system calls cost more than
    /// anything else.
    fn steps_back(&mut self) -> bool {
        self.stepped_back = !self.stepped_back && self.wire.has_tasks();
        self.stepped_back
    }

    /// Reads and takes up what came.
    fn read(&mut self, context: &mut Context<'_>) -> Result<Read, Broken> {
        let seconds = self.since.elapsed().as_secs();
        if seconds > self.seconds {
            let passed = u32::try_from(seconds - self.seconds).unwrap_or(u32::MAX);
            self.wire.http2.seconds_passed(passed);
            self.seconds = seconds;
        }
        for _ in 0..READS {
            while let Some(event) = self.wire.http2.next(&mut self.input)? {
                self.take(event);
                if self.wire.is_full() {
                    return Ok(Read::Some);
                }
            }
            if self.input.capacity() - self.input.len() < ROOM_BYTES {
                self.input.reserve(READ_BYTES);
            }
            match pin!(self.stream.read_buf(&mut self.input)).poll(context)? {
                Poll::Pending => return Ok(Read::All),
                Poll::Ready(0) => return Ok(Read::End),
                Poll::Ready(_) => {}
            }
        }
        Ok(Read::Some)
    }

    fn take(&mut self, event: Event) {
        let Self { wire, quick, .. } = self;
        match event {
            Event::Request { stream, head, ends } => self.begin(stream, &head, ends),
            Event::Data { stream, bytes, ends } => match wire.inbound(stream) {
                Some(inbound) => inbound.push(bytes, ends),
                None => quick.data(wire, stream, bytes, ends),
            },
            Event::Trailers { stream, fields } => match wire.inbound(stream) {
                Some(inbound) => inbound.end(stream::headers(&fields)),
                None => quick.end(wire, stream),
            },
            Event::Reset { stream, .. } => {
                wire.close(stream);
                quick.give_up(stream);
            }
            Event::Capacity { stream } => wire.go_on(stream),
            Event::Pong => self.keep_alive.answered(),
        }
    }

    fn begin(&mut self, stream: StreamKey, head: &Arc<RequestHead>, ends: bool) {
        let Self { wire, quick, .. } = self;
        if quick.take(wire, stream, head, ends) {
            return;
        }
        let inbound = Arc::new(Inbound::default());
        if ends {
            inbound.end(None);
        }
        let incoming = Incoming { stream, inbound: inbound.clone(), mail: wire.mail.clone() };
        let Some(request) = stream::request(head, incoming) else {
            const BAD_REQUEST: u16 = 400;
            return wire.refuse(stream, BAD_REQUEST);
        };
        let (front, mail) = (self.front.clone(), wire.mail.clone());
        let serving = stream::serve(front, request, mail, inbound.clone(), stream);
        wire.run(stream, Some(inbound), serving);
    }

    /// Writes what there is to write; ready once that is all.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let output = self.wire.http2.output();
        while !output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, output)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return Poll::Ready(Err("the client takes nothing more".into())),
                Poll::Ready(bytes) => output.advance(bytes),
            }
        }
        if output.capacity() > KEPT_BYTES {
            *output = BytesMut::new();
        }
        // Nothing, but with TLS: there it may not all have left.
        Pin::new(&mut self.stream).poll_flush(context).map_err(Into::into)
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut read = Read::Some;
        if !self.wire.is_full() {
            self.wire.take_mail(context);
            self.wire.take_turns();
            self.quick.answer(&mut self.wire, context);
            read = self.read(context)?;
            self.quick.send(&mut self.wire);
            self.quick.look(&mut self.wire, context);
        }
        self.keep_alive.poll(context, &mut self.wire.http2)?;
        // One that takes nothing wakes us when it does.
        let Poll::Ready(written) = self.write(context) else { return Poll::Pending };
        written?;
        if read == Read::End || self.wire.http2.is_over() {
            return Poll::Ready(Ok(()));
        }
        if read == Read::Some || self.wire.has_turns() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
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
        let turn = this.turn(context);
        if let Poll::Ready(Err(_)) = &turn {
            // Why it ends, as far as the client takes it.
            let _ = this.write(context);
        }
        if turn.is_ready() {
            // Once: all was written that was to be, and with TLS only its last word could be lacking.
            let _ = Pin::new(&mut this.stream).poll_shutdown(context);
        }
        turn
    }
}
