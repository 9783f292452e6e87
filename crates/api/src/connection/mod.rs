//! One client's connection, HTTP/2 or 1.
//!
//! Most requests of most clients are small reads and writes of keys. A task for each, with what a
//! general server builds around it, costs more than all that the node does for it. So these are taken
//! by the connection's own task: it decodes what has arrived, hands all of it to the node together,
//! and writes the answers as they come, many at once ([`quick`]). Everything else goes to the
//! services as ever, a task for each ([`stream`]).

mod ahead;
pub(crate) mod http1;
mod http2;
mod keep_alive;
mod mail;
mod quick;
mod send;
mod stream;
mod wire;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::http2::ConnectionError;
use tls::{Greeting, Stream, TlsHere, greet};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::calls::Counted;
use crate::front::Front;
use crate::guests::{BROKEN, Guest, TLS_HERE, Watched};

/// Serves one connection until its client leaves, or until `stopping` and its requests end.
pub(crate) async fn serve(
    front: Front,
    stream: Stream,
    guest: Arc<Guest>,
    stopping: watch::Receiver<()>,
) {
    let front = front.of(Arc::clone(&guest));
    let client = Arc::clone(&guest);
    let greeting = greet(Counted(Watched::new(stream, guest)));
    let Some(greeting) = unless_stopping(stopping.clone(), greeting).await else { return };
    let served = match greeting {
        Ok(Greeting::Http2(stream)) => http2::serve(front, stream, stopping).await,
        Ok(Greeting::Http1(stream)) => {
            let served = http1::serve(&http1::builder(), front, stream, stopping).await;
            served.map_err(Into::into)
        }
        Err(error) => {
            if error.get_ref().is_some_and(|why| why.is::<TlsHere>()) {
                TLS_HERE.about(client.address(), 1);
            }
            Err(error.into())
        }
    };
    if let Err(error) = served {
        if error.is::<ConnectionError>() {
            BROKEN.about(client.address(), 1);
        }
        tracing::debug!(%error, client = client.address(), "a client's connection broke");
    }
}

/// In which what has come already is seen, once `stopping`: it is not seen before it is looked for.
const MOMENT: Duration = Duration::from_millis(100);

/// What a client says first; `None` once `stopping`, for who has said nothing is not waited for.
pub(crate) async fn unless_stopping<T>(
    mut stopping: watch::Receiver<()>,
    first: impl Future<Output = T>,
) -> Option<T> {
    let mut first = pin!(first);
    tokio::select! {
        biased;
        first = first.as_mut() => return Some(first),
        // Only ever "the sender is gone".
        _ = stopping.changed() => {}
    }
    timeout(MOMENT, first).await.ok()
}

/// A client's connection, with what is kept of it and what was read of it already.
type Greeted = tls::Greeted<Counted<Watched<Stream>>>;

/// Why a connection ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;
