//! One client's connection, HTTP/2 or 1.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tls::{Greeted, Greeting, Seldom, Stream, TlsHere, greet};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::stalled::Watched;
use crate::gateway::Gateway;

/// How long the head of a request of HTTP/1 may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// In which what has come already is seen, once the gateway stops.
const MOMENT: Duration = Duration::from_millis(100);
/// How long a client that never asked for anything may take to hear that the gateway stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// Streams of one connection: a Kubernetes API server puts everything on one.
const STREAMS: u32 = 16_384;
/// Bytes of requests that are kept here until a member takes them, of one stream and of all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of one answer that wait to be sent.
const SEND_BUFFER: usize = 64 * 1024;
/// Bytes of a request's head: tokens are the longest there.
const HEAD_BYTES: u32 = 16 * 1024;
/// Bytes of HTTP/1 that are read ahead.
const READ_BYTES: usize = 64 * 1024;
/// Requests that are given up before they were looked at; clients may give up all they have.
const RESETS: usize = 4_096;
/// A connection is asked this often whether anybody is there, and ended when there is no answer for
/// [`ANSWER`].
const ASK: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(20);

const TLS_HERE: &str = "it speaks TLS, and this port does not: let it say http://, or give this gateway \
                        --cert-file and --key-file";

/// What is served: a client that has said what it speaks.
type Client = Greeted<Watched<Stream>>;

/// Serves one connection until its client leaves, or until `stopping` and its requests end.
pub(super) async fn serve(
    gateway: Gateway,
    stream: TcpStream,
    tls: Option<Arc<tls::Acceptor>>,
    mut stopping: watch::Receiver<()>,
) {
    let peer = stream.peer_addr().ok();
    let mut receiving = pin!(receive(stream, tls));
    let greeting = tokio::select! {
        biased;
        greeting = receiving.as_mut() => greeting,
        // Only ever "the sender is gone". Who has asked for nothing yet is not waited for; but what has come
        // already is not seen before it is looked for.
        _ = stopping.changed() => match timeout(MOMENT, receiving).await {
            Ok(greeting) => greeting,
            Err(_) => return,
        },
    };
    let served = match greeting {
        // Why not, the acceptor has said.
        None => return,
        Some(Ok(Greeting::Http2(stream))) => serve_http2(gateway, stream, stopping).await,
        Some(Ok(Greeting::Http1(stream))) => serve_http1(gateway, stream, stopping).await,
        Some(Err(error)) => {
            if error.get_ref().is_some_and(|why| why.is::<TlsHere>()) {
                static SELDOM: Seldom = Seldom::new();
                if let Some(unsaid) = SELDOM.is_due() {
                    tracing::warn!(?peer, unsaid, "a connection is refused: {TLS_HERE}");
                }
            }
            Err(error.to_string())
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, ?peer, "a client's connection broke");
    }
}

/// Waits for what it speaks, with TLS and without: whatever was agreed on there, it has to say it.
async fn receive(
    stream: TcpStream,
    tls: Option<Arc<tls::Acceptor>>,
) -> Option<io::Result<Greeting<Watched<Stream>>>> {
    let stream = match tls {
        Some(tls) => tls.accept(stream).await?.0,
        None => Stream::Plain(stream),
    };
    Some(greet(Watched::new(stream)).await)
}

async fn serve_http2(
    gateway: Gateway,
    stream: Client,
    mut stopping: watch::Receiver<()>,
) -> Result<(), String> {
    let client = gateway.next_client();
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&has_asked);
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.answer(client, request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(ASK)
        .keep_alive_timeout(ANSWER);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        served = serving.as_mut() => return served.map_err(|error| error.to_string()),
        // Only ever "the sender is gone".
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    if !has_asked.load(Ordering::Relaxed) {
        // A request that is on its way comes before the client says that it heard.
        match timeout(FAREWELL, serving.as_mut()).await {
            Ok(served) => return served.map_err(|error| error.to_string()),
            Err(_) if !has_asked.load(Ordering::Relaxed) => return Ok(()),
            Err(_) => {}
        }
    }
    serving.await.map_err(|error| error.to_string())
}

async fn serve_http1(
    gateway: Gateway,
    stream: Client,
    mut stopping: watch::Receiver<()>,
) -> Result<(), String> {
    let client = gateway.next_client();
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&has_asked);
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.answer(client, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(READ_BYTES);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        served = serving.as_mut() => return served.map_err(|error| error.to_string()),
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    // hyper would wait for the rest of a head that has begun.
    if !has_asked.load(Ordering::Relaxed) {
        return Ok(());
    }
    serving.await.map_err(|error| error.to_string())
}
