//! `/metrics`: what a node tells Prometheus.
//!
//! Every series is made at the moment it is asked for, from counts that are kept anyway. Regions have
//! series of their own up to [`REGIONS`]; the others are told together.

mod dns;
mod etcd;
mod grpc;
mod node;
mod regions;
mod registry;
#[cfg(test)]
mod tests;
mod text;
mod traces;

use std::time::Duration;

use ::node::Handle;
use tokio::time::timeout;
use types::KeyspaceId;

use text::Text;

/// Regions with series of their own, those with the lowest numbers: keyspaces are made by users, and
/// a time series costs the one who keeps it.
const REGIONS: usize = 100;
/// A node that has no cluster yet, or whose poller is stuck, tells what it knows without.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prometheus' text format.
pub(crate) async fn exposition(handle: &Handle) -> String {
    let mut text = Text::default();
    let default = timeout(PATIENCE, handle.status(KeyspaceId::DEFAULT)).await;
    let regions = handle.stats(None).await.unwrap_or_default();
    etcd::write(&mut text, handle, default.ok().and_then(Result::ok).as_ref(), &regions);
    grpc::write(&mut text);
    dns::write(&mut text);
    traces::write(&mut text, handle);
    node::write(&mut text, handle);
    let registered = timeout(PATIENCE, registry::counts(handle)).await.ok().flatten();
    registry::write(&mut text, handle, registered);
    regions::write(&mut text, &regions, &handle.directory(), REGIONS);
    text.append(&tls::exposition());
    text.finish()
}
