//! DNS: packets are passed on to a member's `/dns-query`, over the connections that are there.

mod ask;
mod failed;
mod sockets;
mod tcp;
mod udp;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use self::ask::Asker;
use crate::gateway::Gateway;

pub use sockets::DnsSockets;

/// What DNS answers for, as a node's own settings have it.
#[derive(Clone, Debug)]
pub struct DnsZone {
    /// The domain.
    pub domain: String,
    /// Seconds that answers may be kept by others.
    pub ttl_seconds: u32,
}

/// Serves until `shutdown` ends.
pub(crate) async fn serve(
    gateway: &Gateway,
    sockets: DnsSockets,
    zone: &DnsZone,
    shutdown: impl Future<Output = ()>,
) {
    let asker = Arc::new(Asker::new(Arc::clone(&gateway.shared), zone));
    let (stop, stopping) = watch::channel(());
    let DnsSockets { udp, tcp } = sockets;
    let serving = async {
        tokio::join!(udp::serve(&asker, udp), tcp::serve(&asker, tcp, &stopping));
    };
    tokio::select! {
        biased;
        () = shutdown => {}
        () = serving => {}
    }
    drop(stop);
}
