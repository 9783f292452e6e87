//! The sockets.

mod tcp;
mod udp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use node::Handle;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

use super::Zone;
use super::catalog::OwnCopy;
use super::order::Order;
use super::respond::{Over, respond};
use super::tally::QUERIES;
use crate::audit::Bearer;

/// How often a port that is free for both is looked for, where the system chooses it.
const TRIES: usize = 16;

/// Both sockets, on one port.
#[derive(Debug)]
pub struct DnsSockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl DnsSockets {
    /// Binds `address`, `host:port`.
    ///
    /// # Errors
    /// The port is taken, for UDP or TCP, or may not be used.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let tcp = TcpListener::bind(address).await?;
            let bound = tcp.local_addr()?;
            match UdpSocket::bind(bound).await {
                Ok(udp) => return Ok(Self { udp, tcp }),
                Err(error) if tries == TRIES || address.rsplit(':').next() != Some("0") => {
                    return Err(error);
                }
                Err(_) => tries += 1,
            }
        }
    }

    /// Where they are.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves `zone` until `shutdown` ends. Answers come from this node's own copy of the registry, with or
/// without a leader. Connections end with their query under way.
pub async fn serve_dns(
    handle: Handle,
    sockets: DnsSockets,
    zone: Zone,
    shutdown: impl Future<Output = ()>,
) {
    let DnsSockets { udp, tcp } = sockets;
    let server = std::sync::Arc::new(Server { zone, handle });
    let (stop, stopping) = watch::channel(());
    let serving =
        async { tokio::join!(udp::serve(&server, udp), tcp::serve(&server, tcp, &stopping)) };
    tokio::select! {
        biased;
        () = shutdown => {}
        ((), ()) = serving => {}
    }
    drop(stop);
}

/// The answer to one packet that came by other ways, if it gets any.
pub(crate) async fn answer(
    handle: Handle,
    sender: Bearer,
    zone: Zone,
    packet: &[u8],
    over: Over,
) -> Option<Vec<u8>> {
    Server { zone, handle }.answer(packet, over, &mut Order::new(), sender).await
}

struct Server {
    zone: Zone,
    handle: Handle,
}

impl Server {
    /// Somebody there, who brings no token. The address is made a text only where it may be written down.
    fn stranger(&self, peer: SocketAddr) -> Bearer {
        let is_told = self.handle.audit_log().is_on();
        let origin = if is_told { peer.to_string() } else { String::new() };
        Bearer { token: None, origin: origin.into() }
    }

    async fn answer(
        &self,
        packet: &[u8],
        over: Over,
        order: &mut Order,
        sender: Bearer,
    ) -> Option<Vec<u8>> {
        let catalog = OwnCopy::new(self.handle.clone(), sender);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // RFC 1982 wants serial numbers to wrap.
        let serial = u32::try_from(since.as_secs() & u64::from(u32::MAX)).unwrap_or_default();
        let answer = respond(packet, over, &self.zone, &catalog, order, serial).await;
        let (bytes, code) = answer?;
        QUERIES.count(over, code);
        Some(bytes)
    }
}
