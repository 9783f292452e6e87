use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use node::Handle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::connection;
use crate::door::Door;
use crate::front::Front;
use crate::guests;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS: usize = 16_384;
/// How long requests under way may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long the same complaint stays unsaid.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(10);
/// Pause after an error of accept: what it lacks others must let go first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the client port until `shutdown` ends: then nothing new is accepted, and what is under way
/// has five seconds to end.
///
/// # Errors
/// None once it runs; the signature leaves room.
pub async fn serve_clients(
    handle: Handle,
    door: impl Into<Door>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Door { listener, entrance } = door.into();
    let front = Front::new(&handle);
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
            Ok(None) => {}
            Ok(Some((stream, permit))) => {
                let (front, mut stopping) = (front.clone(), stopping.clone());
                let entrance = entrance.clone();
                connections.spawn(async move {
                    let entered = entrance.enter(front.handle(), stream, &mut stopping).await;
                    if let Some((stream, guest)) = entered {
                        connection::serve(front, stream, guest, stopping).await;
                    }
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
) -> io::Result<Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)>> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    if guests::turned_away(&peer.to_string()) {
        return Ok(None);
    }
    if permits.available_permits() == 0 {
        guests::CONNECTIONS.about(&peer.to_string(), CONNECTIONS);
    }
    // Answers are small and waited for.
    stream.set_nodelay(true)?;
    Ok(Some((stream, permit)))
}

/// Serves the HTTP port until `shutdown` ends.
///
/// # Errors
/// None once it runs; the signature leaves room.
pub async fn serve_http(
    handle: Handle,
    door: impl Into<Door>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    crate::web::serve(Front::new(&handle), door.into(), shutdown).await;
    Ok(())
}
