use std::sync::Arc;

use env::Refused;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Mutex as AsyncMutex, watch};
use types::NodeId;

use super::hello::PeerHello;
use super::queue::Queue;

/// Another node and its one link.
pub(super) struct Peer {
    pub(super) node: NodeId,
    address: Mutex<String>,
    queue: RwLock<Option<Arc<Queue>>>,
    /// Who the peer said it is when the link that is up was made.
    hello: Mutex<Option<PeerHello>>,
    /// Held by the link that is up, so that an earlier one has ended before a later one delivers.
    pub(super) turn: AsyncMutex<()>,
    newest: watch::Sender<Newest>,
    trouble: Mutex<Option<String>>,
}

/// Which link is the newest; earlier ones end.
#[derive(Clone, Copy, Default)]
struct Newest {
    link: u64,
    removed: bool,
}

/// One link's right to be up.
pub(super) struct Ticket {
    link: u64,
    newest: watch::Receiver<Newest>,
}

impl Ticket {
    /// Waits until the link must end: a later one was made, or the peer was removed.
    pub(super) async fn ended(mut self) {
        let over = |newest: &Newest| newest.link != self.link || newest.removed;
        // An error means that the peer is gone altogether: ended as well.
        drop(self.newest.wait_for(over).await);
    }
}

impl Peer {
    pub(super) fn new(node: NodeId, address: String) -> Arc<Self> {
        Arc::new(Self {
            node,
            address: Mutex::new(address),
            queue: RwLock::default(),
            hello: Mutex::default(),
            turn: AsyncMutex::default(),
            newest: watch::Sender::default(),
            trouble: Mutex::default(),
        })
    }

    pub(super) fn address(&self) -> String {
        self.address.lock().clone()
    }

    pub(super) fn set_address(&self, address: String) {
        *self.address.lock() = address;
    }

    pub(super) fn send(&self, frame: bytes::Bytes, urgent: bool) -> Result<(), Refused> {
        match &*self.queue.read() {
            Some(queue) => queue.push(frame, urgent),
            None => Err(Refused),
        }
    }

    /// The right to bring up a link; every earlier one ends.
    pub(super) fn ticket(&self) -> Ticket {
        let mut link = 0;
        self.newest.send_modify(|newest| {
            newest.link += 1;
            link = newest.link;
        });
        Ticket { link, newest: self.newest.subscribe() }
    }

    /// Who the peer said it is, if the link is up.
    pub(super) fn hello(&self) -> Option<PeerHello> {
        self.hello.lock().clone()
    }

    /// Whether the link is up.
    pub(super) fn is_up(&self) -> bool {
        self.queue.read().is_some()
    }

    /// Ends the link; a new one may follow.
    pub(super) fn end(&self) {
        self.newest.send_modify(|newest| newest.link += 1);
    }

    /// Ends the link and every later one.
    pub(super) fn remove(&self) {
        self.newest.send_modify(|newest| newest.removed = true);
    }

    /// Waits until [`Self::remove`].
    pub(super) async fn removed(&self) {
        drop(self.newest.subscribe().wait_for(|newest| newest.removed).await);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.newest.borrow().removed
    }

    /// The link is up: frames go to `queue`.
    pub(super) fn up(&self, hello: PeerHello, queue: Arc<Queue>) {
        *self.hello.lock() = Some(hello);
        *self.queue.write() = Some(queue);
        *self.trouble.lock() = None;
    }

    /// The link is down.
    pub(super) fn down(&self) {
        *self.hello.lock() = None;
        if let Some(queue) = self.queue.write().take() {
            queue.close();
        }
    }

    /// Lets what is queued go out, and takes nothing more.
    pub(super) fn finish(&self) {
        if let Some(queue) = &*self.queue.read() {
            queue.finish();
        }
    }

    pub(super) fn set_trouble(&self, why: String) {
        *self.trouble.lock() = Some(why);
    }

    pub(super) fn trouble(&self) -> Option<String> {
        if self.queue.read().is_some() {
            return None;
        }
        self.trouble.lock().clone()
    }
}
