use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::http::uri::Authority;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tls::Stream;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::passing::Outgoing;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// A connection is asked this often whether anybody is there, and given up when there is no answer for
/// [`ANSWER`]: a member that vanished without a word is noticed.
const ASK: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes that a client may be sent later than they came, per stream. What is short has more, so that a large
/// answer comes in one go.
const STREAM_WINDOW: u32 = 64 * 1024;
const CALL_WINDOW: u32 = 256 * 1024;
/// Bytes of all streams of a connection at most: 256 large answers that nobody reads.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// Bytes of a request that wait to be sent, per stream.
const SEND_BUFFER: usize = 64 * 1024;

/// How a kind of requests is spread over connections.
pub(super) struct Shape {
    /// So many streams make the next connection.
    pub(super) comfortable: usize,
    /// Connections at most.
    pub(super) connections: usize,
    /// Streams of one connection at most.
    pub(super) most: usize,
    window: u32,
}

/// Calls that end soon. Together on few connections they share packets and turns of the member's task.
pub(super) const CALLS: Shape =
    Shape { comfortable: 256, connections: 8, most: 4_096, window: CALL_WINDOW };
/// Streams and what waits: apart, for these may not be read by their clients for a while. A member keeps
/// 64 KiB for each such, and makes a connection's streams wait for each other from 32 MiB on: with so few on
/// each none ever does.
pub(super) const STREAMS: Shape =
    Shape { comfortable: 256, connections: 128, most: 256, window: STREAM_WINDOW };

/// Connections to one member for one kind of requests, made as they are needed.
pub(super) struct Lane {
    member: Authority,
    tls: Option<tls::Dial>,
    shape: &'static Shape,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// Held by who makes one: the others wait for it.
    making: tokio::sync::Mutex<()>,
    /// Rung when one is lost.
    pub(super) lost: Arc<Notify>,
}

struct Connection {
    sender: SendRequest<Outgoing>,
    streams: AtomicUsize,
}

/// One request's place on a connection; free when dropped.
pub(crate) struct Seat(Arc<Connection>);

impl Seat {
    fn on(connection: &Arc<Connection>) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }

    pub(crate) fn sender(&self) -> SendRequest<Outgoing> {
        self.0.sender.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    pub(super) fn new(member: &Authority, tls: Option<&tls::Dial>, shape: &'static Shape) -> Self {
        let (connections, making, lost) = Default::default();
        Self { member: member.clone(), tls: tls.cloned(), shape, connections, making, lost }
    }

    /// Connections, and the streams on them.
    pub(super) fn count(&self) -> (usize, usize) {
        let connections = self.connections.lock();
        let streams = connections.iter().map(|it| it.streams.load(Ordering::Relaxed)).sum();
        (connections.len(), streams)
    }

    /// A place for one request.
    ///
    /// # Errors
    /// The member cannot be connected to, or as much is under way as may be.
    pub(super) async fn seat(&self) -> Result<Seat, String> {
        if let Some(seat) = self.find(self.shape.comfortable) {
            return Ok(seat);
        }
        let _one_at_a_time = self.making.lock().await;
        // Whoever made one meanwhile made it for us, too.
        if let Some(seat) = self.find(self.shape.comfortable) {
            return Ok(seat);
        }
        if self.connections.lock().len() >= self.shape.connections {
            return self.find(self.shape.most).ok_or_else(|| {
                let most = self.shape.connections * self.shape.most;
                format!("{most} requests are under way to it")
            });
        }
        match self.connect().await {
            Ok(seat) => Ok(seat),
            // Less comfortable is better than not at all.
            Err(why) => self.find(self.shape.most).ok_or(why),
        }
    }

    /// A place on the connection with the fewest streams, if these are fewer than `most`.
    fn find(&self, most: usize) -> Option<Seat> {
        let mut connections = self.connections.lock();
        connections.retain(|it| !it.sender.is_closed());
        let streams = |it: &&Arc<Connection>| it.streams.load(Ordering::Relaxed);
        let best = connections.iter().min_by_key(streams)?;
        (streams(&best) < most).then(|| Seat::on(best))
    }

    async fn reach(&self) -> io::Result<Stream> {
        if let Some(dial) = &self.tls {
            return dial.connect(self.member.as_str()).await;
        }
        let stream = TcpStream::connect(self.member.as_str()).await?;
        stream.set_nodelay(true)?;
        Ok(Stream::Plain(stream))
    }

    async fn connect(&self) -> Result<Seat, String> {
        let connecting = async {
            let stream = self.reach().await.map_err(|error| error.to_string())?;
            let streams = u32::try_from(self.shape.most).unwrap_or(u32::MAX);
            let window = self.shape.window.saturating_mul(streams).min(CONNECTION_WINDOW);
            Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(self.shape.window)
                // As much as all streams have together: who does not read makes nobody else wait.
                .initial_connection_window_size(window)
                .max_send_buf_size(SEND_BUFFER)
                .max_concurrent_reset_streams(self.shape.most)
                .keep_alive_interval(ASK)
                .keep_alive_timeout(ANSWER)
                .keep_alive_while_idle(true)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|error| error.to_string())
        };
        let connected = timeout(CONNECT, connecting).await;
        let (sender, driving) = connected.map_err(|_| "no answer".to_owned())??;
        let (lost, member) = (Arc::clone(&self.lost), self.member.clone());
        tokio::spawn(async move {
            if let Err(error) = driving.await {
                tracing::debug!(%member, %error, "a connection to a member broke");
            }
            lost.notify_waiters();
        });
        let connection = Arc::new(Connection { sender, streams: AtomicUsize::new(0) });
        let seat = Seat::on(&connection);
        self.connections.lock().push(connection);
        Ok(seat)
    }
}
