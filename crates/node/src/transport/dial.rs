use std::sync::Arc;
use std::time::Duration;

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

/// How often a node that is to be dialled asks why it is not.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// A peer of a lower number dials this node. While it does not, it is asked from time to time whether it
/// would: who was removed from the cluster is not dialled any more, and has to learn why.
pub(super) async fn wait(core: Arc<Core>, peer: Arc<Peer>) {
    loop {
        tokio::select! {
            biased;
            () = peer.removed() => return,
            () = core.stopped() => return,
            () = sleep(ASK_AGAIN) => {}
        }
        if peer.is_up() {
            continue;
        }
        let address = peer.address();
        let asked = async {
            let mut client = call::connect(&core, &address).await?;
            call::hello(&core, &mut client, None).await
        };
        if let Ok(call::Answered { hello, refusal: Some(fault) }) = asked.await
            && hello.cluster == core.identity.cluster()
        {
            core.note_refusal(&fault);
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
