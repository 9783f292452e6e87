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

use std::sync::Arc;

use ::http2::ConnectionError;
use tls::{Greeting, Stream, TlsHere, greet};
use tokio::sync::watch;

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
    let mut stopped = stopping.clone();
    let greeting = tokio::select! {
        biased;
        // Only ever "the sender is gone". Who has asked for nothing yet is not waited for.
        _ = stopped.changed() => return,
        greeting = greet(Counted(Watched::new(stream, guest))) => greeting,
    };
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

/// A client's connection, with what is kept of it and what was read of it already.
type Greeted = tls::Greeted<Counted<Watched<Stream>>>;

/// Why a connection ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;
