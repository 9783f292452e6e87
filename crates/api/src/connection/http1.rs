use std::pin::pin;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::Broken;
use super::greeting::Greeted;
use crate::front::Front;

/// Serves a client of HTTP/1.
pub(super) async fn serve(
    front: Front,
    stream: Greeted,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Broken> {
    let service = service_fn(move |request| front.serve(request));
    // A header that does not come to its end is waited for so long: hyper's default, 30 s.
    let serving =
        Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        // Only ever "the sender is gone".
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    served.map_err(Into::into)
}
