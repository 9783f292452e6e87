//! The HTTP port: HTTP/1.1, the same door as the client port's, and the same bounds for who comes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tls::Stream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{http1, unless_stopping};
use crate::door::Door;
use crate::front::Front;
use crate::guests::{self, Guest, TLS_HERE, Watched};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS: usize = 4_096;
/// How long a request's head may take to come, also the next one's on a connection that is kept.
const HEAD: Duration = Duration::from_secs(30);
/// Bytes of a head, and of what is read ahead.
const HEAD_BYTES: usize = 64 * 1024;
/// How long requests under way may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an error of accept: what it lacks others must let go first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` ends: then nothing new is accepted, and what is under way has five seconds.
pub(crate) async fn serve(front: Front, door: Door, shutdown: impl Future<Output = ()>) {
    let Door { listener, entrance } = door;
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, peer) = listener.accept().await?;
            if guests::turned_away(&peer.to_string()) {
                return Ok(None);
            }
            if permits.available_permits() == 0 {
                guests::CONNECTIONS.about(&peer.to_string(), CONNECTIONS);
            }
            Ok::<_, io::Error>(Some((stream, permit)))
        };
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Ended connections are forgotten as they end, or they would pile up.
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok(None) => {}
            Ok(Some((stream, permit))) => {
                let (front, mut stopping) = (front.clone(), stopping.clone());
                let entrance = entrance.clone();
                connections.spawn(async move {
                    let entered = entrance.enter(front.handle(), stream, &mut stopping).await;
                    if let Some((stream, guest)) = entered {
                        connection(front, stream, guest, stopping).await;
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept on the HTTP port");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(
    front: Front,
    stream: Stream,
    guest: Arc<Guest>,
    stopping: watch::Receiver<()>,
) {
    if let Stream::Plain(socket) = &stream {
        let mut first = [0];
        let looking = timeout(HEAD, socket.peek(&mut first));
        match unless_stopping(stopping.clone(), looking).await {
            Some(Ok(Ok(1))) if tls::is_handshake(first[0]) => {
                return TLS_HERE.about(guest.address(), 1);
            }
            Some(Ok(Ok(1))) => {}
            // It is gone, or says nothing.
            _ => return,
        }
    }
    let front = front.of(Arc::clone(&guest));
    let mut builder = http1::builder();
    builder.header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let served = http1::serve(&builder, front, Watched::new(stream, guest), stopping).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the HTTP port broke");
    }
}
