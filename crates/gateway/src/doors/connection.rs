//! One client's connection, HTTP/2 or 1.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tls::{Seldom, Stream};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::stalled::Watched;
use crate::gateway::Gateway;

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take for it, and for the head of a request of HTTP/1.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon more of it is looked for, where it comes in pieces; then ever later, for one that sends no more
/// is to cost nothing.
const LOOK: Duration = Duration::from_millis(2);
const LOOK_LAST: Duration = Duration::from_secs(1);
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

/// Serves one connection until its client leaves, or until `stopping` and its requests end.
pub(super) async fn serve(
    gateway: Gateway,
    stream: TcpStream,
    tls: Option<Arc<tls::Acceptor>>,
    stopping: watch::Receiver<()>,
) {
    let peer = stream.peer_addr().ok();
    let (stream, speaks) = match tls {
        // Why not, the acceptor has said.
        Some(tls) => match tls.accept(stream).await {
            Some((stream, _)) => {
                let speaks_http2 = stream.has_agreed_on(b"h2");
                (stream, Ok(Ok(speaks_http2)))
            }
            None => return,
        },
        None => {
            let speaks = timeout(PATIENCE, speaks_http2(&stream)).await;
            (Stream::Plain(stream), speaks)
        }
    };
    let served = match speaks {
        Ok(Ok(true)) => serve_http2(gateway, stream, stopping).await,
        Ok(Ok(false)) => serve_http1(gateway, stream, stopping).await,
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it says nothing".to_owned()),
    };
    if let Err(error) = served {
        if error == TLS_HERE {
            static SELDOM: Seldom = Seldom::new();
            if let Some(unsaid) = SELDOM.is_due() {
                tracing::warn!(?peer, unsaid, "a connection is refused: {error}");
            }
        }
        tracing::debug!(%error, ?peer, "a client's connection broke");
    }
}

async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    let mut pause = LOOK;
    loop {
        let length = stream.peek(&mut seen).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if tls::is_handshake(seen[0]) {
            return Err(io::Error::other(TLS_HERE));
        }
        if length == PREFACE.len() || !PREFACE.starts_with(&seen[..length]) {
            return Ok(seen[..length] == *PREFACE);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
    }
}

async fn serve_http2(
    gateway: Gateway,
    stream: Stream,
    mut stopping: watch::Receiver<()>,
) -> Result<(), String> {
    let client = gateway.next_client();
    let service = service_fn(move |request| {
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
    let stream = TokioIo::new(Watched::new(stream));
    let mut serving = pin!(builder.serve_connection(stream, service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    served.map_err(|error| error.to_string())
}

async fn serve_http1(
    gateway: Gateway,
    stream: Stream,
    mut stopping: watch::Receiver<()>,
) -> Result<(), String> {
    let client = gateway.next_client();
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.answer(client, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(READ_BYTES);
    let stream = TokioIo::new(Watched::new(stream));
    let mut serving = pin!(builder.serve_connection(stream, service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    served.map_err(|error| error.to_string())
}
