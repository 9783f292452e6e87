use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use node::Handle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::authority::Inspected;
use crate::calls::Counted;
use crate::crowd::Crowd;
use crate::front::Front;
use crate::guests::{self, Guest, Watched};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS: usize = 16_384;
/// Requests and streams under way at once on one connection. A Kubernetes API server or a load
/// generator puts everything on one connection.
const STREAMS: u32 = 16_384;
/// Bytes a client may send ahead on one stream: the longest message, so that none is sent in turns.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes a client may send ahead on one connection.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Resets a client may have outstanding. Cancelled requests cost little here, and hyper's own bound
/// of 20 would end the connections of clients that give up on many at once.
const RESETS: usize = 1_024;
/// A silent client is asked after this long whether it is there,
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// and its connection ended if it does not answer in this time.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long requests under way may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long the same complaint stays unsaid.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(10);
/// Pause after an error of accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the client port until `shutdown` ends: then nothing new is accepted, and what is under way
/// has five seconds to end.
///
/// # Errors
/// None once it runs; the signature leaves room.
pub async fn serve_clients(
    handle: Handle,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let front = Front::new(&handle);
    let builder = Arc::new(builder());
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut complained = None;
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Ended connections are forgotten as they end, or they would pile up.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let connection =
                    connection(builder.clone(), stream, front.clone(), stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Mostly as often as there are pauses, for as long as it lasts.
                if complained.is_none_or(|at: Instant| at.elapsed() > COMPLAIN_AGAIN) {
                    tracing::warn!(%error, "cannot accept clients");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        tracing::info!(left = connections.len(), "ending connections that did not end themselves");
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    if permits.available_permits() == 0 {
        guests::CONNECTIONS.about(&peer.to_string(), CONNECTIONS);
    }
    // Answers are small and waited for.
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder.http1().timer(TokioTimer::new());
    builder
}

/// Serves one connection until its client leaves, or until `stopping` and its requests end.
async fn connection(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    front: Front,
    mut stopping: watch::Receiver<()>,
) {
    let guest = Guest::of(&stream);
    let front = front.of(Arc::clone(&guest));
    let crowd = Crowd::default();
    let counting = crowd.clone();
    let service = service_fn(move |request| counting.count(front.serve(request)));
    let stream = TokioIo::new(Inspected::new(Counted(Watched::new(stream, guest))));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let served = tokio::select! {
        served = crowd.drive(connection.as_mut()) => served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            crowd.drive(connection).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client's connection broke");
    }
}

/// Serves the HTTP port until `shutdown` ends.
///
/// # Errors
/// None once it runs; the signature leaves room.
pub async fn serve_http(
    handle: Handle,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    crate::web::serve(Front::new(&handle), listener, shutdown).await;
    Ok(())
}
