use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection;
use crate::gateway::Gateway;

/// Connections of one port served at once; more wait to be accepted.
const CONNECTIONS: usize = 16_384;
/// How long requests under way may take to end once the gateway stops.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an error of accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn serve(
    gateway: &Gateway,
    listener: TcpListener,
    tls: Option<Arc<tls::Acceptor>>,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
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
                let (gateway, tls, stopping) = (gateway.clone(), tls.clone(), stopping.clone());
                connections.spawn(async move {
                    let shared = Arc::clone(&gateway.shared);
                    shared.meters.connections.fetch_add(1, Ordering::Relaxed);
                    connection::serve(gateway, stream, tls, stopping).await;
                    shared.meters.connections.fetch_sub(1, Ordering::Relaxed);
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept clients");
                sleep(ACCEPT_PAUSE).await;
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
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    if permits.available_permits() == 0 {
        tracing::warn!(%peer, CONNECTIONS, "all connections that are served at once are taken");
    }
    // Answers are small and waited for.
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}
