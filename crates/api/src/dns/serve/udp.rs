//! Over UDP: one packet, one answer, one after the other. What comes while one is answered waits with the
//! system, and what it has no room for is lost, as UDP may be: clients ask again.

use std::time::Duration;

use tokio::net::UdpSocket;

use super::super::order::Order;
use super::super::respond::Over;
use super::Server;

/// Bytes of a query; a longer one is cut, and then it is none.
const QUERY_BYTES: usize = 4_096;
/// Pause after an error of the socket, so that one that lasts does not take a processor.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn serve(server: &Server, socket: UdpSocket) {
    let mut order = Order::new();
    let mut packet = vec![0; QUERY_BYTES];
    loop {
        let (length, peer) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "DNS: receiving failed");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let sender = server.stranger(peer);
        if let Some(answer) = server.answer(&packet[..length], Over::Udp, &mut order, sender).await
            && let Err(error) = socket.send_to(&answer, peer).await
        {
            tracing::debug!(%error, %peer, "DNS: an answer cannot be sent");
        }
    }
}
