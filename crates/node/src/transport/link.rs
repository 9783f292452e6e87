use std::pin::pin;
use std::sync::Arc;

use env::Inbox;
use proto::peer::Frame;
use tonic::Streaming;

use super::core::Driver;
use super::hello::PeerHello;
use super::peer::{Peer, Ticket};
use super::queue::Queue;

/// Frames delivered before other tasks of the thread get a turn.
const BURST: u32 = 128;

/// Tells that the link is up, and that it is down, however the task ends.
struct Up<'a> {
    inbox: &'a dyn Inbox,
    peer: &'a Peer,
}

impl<'a> Up<'a> {
    fn new(inbox: &'a dyn Inbox, peer: &'a Peer, hello: PeerHello, queue: Arc<Queue>) -> Self {
        peer.up(hello, queue);
        inbox.link(peer.node, true);
        Self { inbox, peer }
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.peer.down();
        self.inbox.link(self.peer.node, false);
    }
}

/// Runs one link from up to down: what arrives goes to the inbox in order, what is put into `queue`
/// goes out. `hello` is who the peer said it is. Answers why it ended.
pub(super) async fn run(
    driver: &Driver,
    peer: &Peer,
    hello: PeerHello,
    ticket: Ticket,
    queue: Arc<Queue>,
    mut incoming: Streaming<Frame>,
) -> String {
    let mut ended = pin!(ticket.ended());
    let _turn = tokio::select! {
        biased;
        () = &mut ended => {
            queue.close();
            return "another link took its place".into();
        }
        turn = peer.turn.lock() => turn,
    };
    let _up = Up::new(&*driver.inbox, peer, hello.clone(), queue);
    // A review between the handshake and now did not see this link.
    if let Err(fault) = driver.admission.admit(&hello) {
        return fault.to_string();
    }
    let mut burst = 0;
    loop {
        let message = tokio::select! {
            biased;
            () = &mut ended => return "it was replaced or removed".into(),
            message = incoming.message() => message,
        };
        match message {
            Ok(Some(frame)) => driver.inbox.deliver(peer.node, frame.payload),
            Ok(None) => return "the peer closed it".into(),
            Err(status) => return super::call::words(&status),
        }
        burst += 1;
        if burst == BURST {
            burst = 0;
            tokio::task::yield_now().await;
        }
    }
}
