use std::collections::BTreeMap;
use std::sync::Arc;

use env::{Inbox, Rng};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use types::{Code, Fault, NodeId};

use super::admission::{Admission, compatible};
use super::carrier::SnapshotReceiver;
use super::hello::PeerHello;
use super::limits::Limits;
use super::peer::Peer;
use super::warnings::Warnings;
use crate::identity::Identity;

/// What the driver answers for.
pub(super) struct Driver {
    pub(super) admission: Arc<dyn Admission>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) snapshots: Arc<dyn SnapshotReceiver>,
}

/// How TLS is spoken with other nodes.
pub(super) struct Tls {
    pub(super) acceptor: Arc<tls::Acceptor>,
    pub(super) dial: tls::Dial,
}

impl Tls {
    pub(super) fn new(set: Arc<tls::Set>) -> Self {
        Self { acceptor: tls::Acceptor::new(Arc::clone(&set)), dial: tls::Dial::new(set) }
    }
}

/// What every task of the transport shares.
pub(super) struct Core {
    pub(super) identity: Arc<Identity>,
    /// `None` for links in plain text.
    pub(super) tls: Option<Tls>,
    pub(super) peer_address: String,
    pub(super) client_address: String,
    pub(super) level: u32,
    pub(super) limits: Limits,
    pub(super) rng: Arc<dyn Rng>,
    /// `None` after the shutdown: the driver holds the transport, and must be let go of.
    pub(super) driver: RwLock<Option<Arc<Driver>>>,
    pub(super) snapshots_out: Arc<Semaphore>,
    pub(super) snapshots_in: Arc<Semaphore>,
    /// Bounds the nodes that are let in at once.
    pub(super) joining: Semaphore,
    pub(super) peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    pub(super) warnings: Warnings,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) runtime: Handle,
    /// Every task; `None` after the shutdown.
    pub(super) tasks: Mutex<Option<JoinSet<()>>>,
}

impl Core {
    /// This node as it introduces itself now.
    pub(super) fn hello(&self) -> PeerHello {
        PeerHello::of(&self.identity, (&self.peer_address, &self.client_address), self.level)
    }

    pub(super) fn driver(&self) -> Result<Arc<Driver>, Fault> {
        let stopping = || Fault::new(Code::ShuttingDown, "the node is shutting down");
        self.driver.read().clone().ok_or_else(stopping)
    }

    /// Whether the node that introduces itself may talk to this one; a refusal is logged.
    pub(super) fn judge(&self, hello: &PeerHello) -> Result<(), Fault> {
        let judged =
            compatible(&self.hello(), hello).and_then(|()| self.driver()?.admission.admit(hello));
        if let Err(fault) = &judged {
            self.warnings.warn(&format!("refused {hello}"), &fault.to_string());
            self.trouble(hello.node, || fault.to_string());
        }
        judged
    }

    /// [`Self::judge`] for a stream: the node must also be a known peer.
    pub(super) fn judge_peer(&self, hello: &PeerHello) -> Result<Arc<Peer>, Fault> {
        self.judge(hello)?;
        if *self.stopping.borrow() {
            return Err(Fault::new(Code::ShuttingDown, "the node is shutting down"));
        }
        self.peer(hello.node)
    }

    pub(super) fn peer(&self, node: NodeId) -> Result<Arc<Peer>, Fault> {
        self.peers.read().get(&node).cloned().ok_or_else(|| {
            let detail =
                format!("node {node} is not a member that {} knows of", self.identity.name());
            Fault::new(Code::MemberNotFound, detail)
        })
    }

    /// What a peer refused this node with. That it was removed is for the driver to know.
    pub(super) fn note_refusal(&self, fault: &Fault) {
        if fault.code == Code::MemberRemoved
            && let Ok(driver) = self.driver()
        {
            driver.admission.dismissed(fault);
        }
    }

    /// Remembers why there is no link to a node.
    pub(super) fn trouble(&self, node: NodeId, why: impl FnOnce() -> String) {
        if let Some(peer) = self.peers.read().get(&node) {
            peer.set_trouble(why());
        }
    }

    /// Runs a task until it ends or the transport is shut down; false if that has happened.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut tasks = self.tasks.lock();
        let Some(tasks) = tasks.as_mut() else { return false };
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
        true
    }

    /// Waits until the shutdown begins.
    pub(super) async fn stopped(&self) {
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }
}
