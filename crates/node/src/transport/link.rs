use std::pin::pin;
use std::sync::Arc;

use proto::peer::Frame;
use tonic::Streaming;

use super::core::Core;
use super::peer::{Peer, Ticket};
use super::queue::Queue;

/// Frames delivered before other tasks of the thread get a turn.
const BURST: u32 = 128;

/// Tells that the link is up, and that it is down, however the task ends.
struct Up<'a> {
    core: &'a Core,
    peer: &'a Peer,
}

impl<'a> Up<'a> {
    fn new(core: &'a Core, peer: &'a Peer, queue: Arc<Queue>) -> Self {
        peer.up(queue);
        core.inbox.link(peer.node, true);
        Self { core, peer }
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.peer.down();
        self.core.inbox.link(self.peer.node, false);
    }
}

/// Runs one link from up to down: what arrives goes to the inbox in order, what is put into `queue`
/// goes out. Answers why it ended.
pub(super) async fn run(
    core: &Core,
    peer: &Peer,
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
    let _up = Up::new(core, peer, queue);
    let mut burst = 0;
    loop {
        let message = tokio::select! {
            biased;
            () = &mut ended => return "it was replaced or removed".into(),
            message = incoming.message() => message,
        };
        match message {
            Ok(Some(frame)) => core.inbox.deliver(peer.node, frame.payload),
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
