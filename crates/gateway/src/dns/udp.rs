use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::ask::{Asker, Over};

/// Bytes of a query; a longer one is cut, and then it is none.
const QUERY_BYTES: usize = 4_096;
/// Queries that are with members at once. What comes meanwhile waits with the system, and what it has no room
/// for is lost, as UDP may be: clients ask again.
const AT_ONCE: usize = 1_024;
/// Pause after an error of the socket, so that one that lasts does not take a processor.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn serve(asker: &Arc<Asker>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut packet = vec![0; QUERY_BYTES];
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (length, peer) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "DNS: receiving failed");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (asker, socket) = (Arc::clone(asker), Arc::clone(&socket));
        let query = packet[..length].to_vec();
        tokio::spawn(async move {
            if let Some(answer) = asker.answer(&query, Over::Udp).await
                && let Err(error) = socket.send_to(&answer, peer).await
            {
                tracing::debug!(%error, %peer, "DNS: an answer cannot be sent");
            }
            drop(permit);
        });
    }
}
