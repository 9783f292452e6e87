use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::front::Front;

/// As it is where nothing else is wanted. A head that does not come to its end is waited for so long:
/// hyper's default, 30 s.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new());
    builder
}

/// Serves a client of HTTP/1 until it leaves, or until `stopping` and the request under way ends. Whose
/// first request is not there yet is not waited for then.
pub(crate) async fn serve<S>(
    builder: &Builder,
    front: Front,
    stream: S,
    mut stopping: watch::Receiver<()>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&has_asked);
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        front.serve(request)
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        served = serving.as_mut() => return served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    // hyper would wait for the rest of a head that has begun.
    if !has_asked.load(Ordering::Relaxed) {
        return Ok(());
    }
    serving.await
}
