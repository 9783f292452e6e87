//! Over TCP: messages with their length before them (RFC 7766), answered in order.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::super::order::Order;
use super::super::respond::Over;
use super::Server;
use crate::guests;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// Connections of one address at once; more are closed.
const PER_ADDRESS: usize = 64;
/// How long a connection may rest, and a query or an answer may take on its way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a query; who sends more is cut off.
const QUERY_BYTES: usize = 4_096;
/// Pause after an error of accept: what it lacks others must let go first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(
    server: &Arc<Server>,
    listener: TcpListener,
    stopping: &watch::Receiver<()>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let peers = Arc::new(Peers::default());
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "DNS: cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if guests::turned_away(&peer.to_string()) {
            continue;
        }
        let Some(seat) = Peers::sit(&peers, peer.ip()) else { continue };
        let (server, mut stopping) = (Arc::clone(server), stopping.clone());
        tokio::spawn(async move {
            let _kept: (OwnedSemaphorePermit, Seat) = (permit, seat);
            let ended = tokio::select! {
                biased;
                _ = stopping.changed() => Ok(()),
                ended = converse(&server, stream, peer) => ended,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, %peer, "DNS: a connection ended");
            }
        });
    }
}

/// Answers until the client closes, rests too long, or sends what is no query.
async fn converse(server: &Server, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    // Answers are small and waited for.
    stream.set_nodelay(true)?;
    let mut order = Order::new();
    loop {
        let Some(packet) = timeout(PATIENCE, receive(&mut stream)).await?? else { return Ok(()) };
        let answer = server.answer(&packet, Over::Tcp, &mut order, server.stranger(peer)).await;
        let Some(answer) = answer else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), &answer[..]].concat();
        timeout(PATIENCE, stream.write_all(&framed)).await??;
    }
}

/// The next message; `None` at the end, and for one that is too long.
async fn receive(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > QUERY_BYTES {
        return Ok(None);
    }
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await?;
    Ok(Some(packet))
}

/// How many connections each address has.
#[derive(Default)]
struct Peers(Mutex<BTreeMap<IpAddr, usize>>);

impl Peers {
    fn sit(peers: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut taken = peers.0.lock();
        let count = taken.entry(address).or_default();
        if *count >= PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Seat { peers: Arc::clone(peers), address })
    }
}

struct Seat {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.peers.0.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}
