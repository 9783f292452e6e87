use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};

/// How often a port that is free for both is looked for, where the system chooses it.
const TRIES: usize = 16;

/// Both sockets, on one port.
#[derive(Debug)]
pub struct DnsSockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
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
            match UdpSocket::bind(tcp.local_addr()?).await {
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
