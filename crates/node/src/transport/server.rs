use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use proto::peer::peer_server::PeerServer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::codegen::Service as TowerService;

use super::core::Core;
use super::limits::{CONNECTION_WINDOW, HTTP2_FRAME, STREAM_WINDOW};
use super::service::Service;
use crate::failure::chain;

/// Streams at once on one connection; a peer needs one, and a few for handshakes.
const STREAMS: u32 = 16;
/// Bytes of all headers of a call.
const HEADER_BYTES: u32 = 16 << 10;

/// Takes connections until the task is ended, which ends them all.
pub(super) async fn run(core: Arc<Core>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= core.limits.connections;
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, address)) => {
                    let core = core.clone();
                    connections.spawn(async move {
                        let called = Arc::new(AtomicBool::new(false));
                        if let Err(error) = serve(core.clone(), stream, called.clone()).await {
                            ended(&core, address, called.load(Ordering::Relaxed), &*error);
                        }
                    });
                }
                Err(error) => {
                    // Out of files, most likely: others must close some before it can work again.
                    core.warnings.warn("accepting peers", &error.to_string());
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// A peer's connection may end in any way. One that never called anything was no peer's, and whoever
/// runs the network should know.
fn ended(core: &Core, address: SocketAddr, has_called: bool, error: &(dyn Error + 'static)) {
    if has_called {
        tracing::debug!("connection from {address} ended: {error}");
        return;
    }
    let subject = format!("a connection from {} to the peer port", address.ip());
    let text = format!("it is not from a node of Hiraeth, and was ended: {}", chain(error));
    core.warnings.warn(&subject, &text);
}

async fn serve(
    core: Arc<Core>,
    stream: TcpStream,
    called: Arc<AtomicBool>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let limits = &core.limits;
    let stream = match &core.tls {
        // Why not, the acceptor has said.
        Some(tls) => match tls.acceptor.accept(stream).await {
            Some((stream, _)) => stream,
            None => return Ok(()),
        },
        None => {
            let mut first = [0];
            let patience = timeout(limits.connect * 2, stream.peek(&mut first));
            if patience.await.is_ok_and(|read| read.is_ok()) && tls::is_handshake(first[0]) {
                return Err("it speaks TLS, and links between nodes are in plain text here: give all \
                            nodes --peer-cert-file, --peer-key-file and --peer-trusted-ca-file, or none"
                    .into());
            }
            tls::Stream::Plain(stream)
        }
    };
    let rpc = PeerServer::new(Service { core: core.clone() })
        .max_decoding_message_size(limits.message_bytes())
        .max_encoding_message_size(limits.message_bytes());
    let service = TowerToHyperService::new(Noted { inner: rpc, called: called.clone() });
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout);
    tokio::select! {
        served = builder.serve_connection(TokioIo::new(stream), service) => served,
        () = silent(&called, limits.connect * 2) => Err("nothing was called".into()),
    }
}

/// Ends when nothing was called within `patience`: strangers do not hold a place.
async fn silent(called: &AtomicBool, patience: Duration) {
    sleep(patience).await;
    if called.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Notes that a call was made.
#[derive(Clone)]
struct Noted<S> {
    inner: S,
    called: Arc<AtomicBool>,
}

impl<R, S: TowerService<R>> TowerService<R> for Noted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.called.store(true, Ordering::Relaxed);
        self.inner.call(request)
    }
}
