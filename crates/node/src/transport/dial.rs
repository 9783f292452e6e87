use std::sync::Arc;

use tokio::time::{sleep, timeout};
use tonic::Request;
use types::{Code, Fault};

use super::backoff::Backoff;
use super::call;
use super::core::Core;
use super::hello::{PeerHello, fault_of};
use super::link;
use super::peer::Peer;
use super::queue::{Outgoing, Queue};

/// Keeps the link to a peer of a higher number up until the peer is removed or the node stops.
pub(super) async fn keep(core: Arc<Core>, peer: Arc<Peer>) {
    let mut backoff = Backoff::new(core.limits.backoff_min, core.limits.backoff_max);
    while !peer.is_removed() && !*core.stopping.borrow() {
        let linked = tokio::select! {
            biased;
            () = peer.removed() => return,
            linked = link_once(&core, &peer) => linked,
        };
        match linked {
            Ok(why) => {
                backoff.reset();
                tracing::info!("link to node {} ended: {why}", peer.node);
                peer.set_trouble(why);
            }
            Err(fault) => {
                core.warnings.warn(&format!("no link to node {}", peer.node), &fault.to_string());
                peer.set_trouble(fault.to_string());
            }
        }
        tokio::select! {
            biased;
            () = peer.removed() => return,
            () = core.stopped() => return,
            () = sleep(backoff.pause(&*core.rng)) => {}
        }
    }
}

/// Brings the link up and runs it; answers why it ended.
async fn link_once(core: &Core, peer: &Peer) -> Result<String, Fault> {
    let (mut client, greeted) = call::greet(core, peer.node, &peer.address()).await?;
    let queue = Queue::new(core.limits.queue_frames, core.limits.queue_bytes);
    let mut request = Request::new(Outgoing(queue.clone()));
    core.hello().attach(request.metadata_mut());
    let response = timeout(core.limits.connect, client.link(request))
        .await
        .map_err(|_| Fault::new(Code::Timeout, "the link was not answered in time"))?
        .map_err(|status| {
            let fault = fault_of(&status);
            Fault::new(fault.code, format!("refused by {greeted}: {fault}"))
        })?;
    let other = PeerHello::detach(response.metadata())?;
    if (other.node, other.identity) != (greeted.node, greeted.identity) {
        return Err(Fault::new(Code::InvalidArgument, format!("{other} is not {greeted}")));
    }
    tracing::info!("link to {other} is up");
    let driver = core.driver()?;
    Ok(link::run(&driver, peer, other, peer.ticket(), queue, response.into_inner()).await)
}
