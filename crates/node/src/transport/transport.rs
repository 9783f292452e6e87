use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Inbox, Net, Refused, Rng};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use types::{Fault, NodeId};

use super::admission::Admission;
use super::carrier::{Carrier, Chunks, SnapshotReceiver};
use super::core::{Core, Driver, Tls};
use super::error::Error;
use super::limits::Limits;
use super::peer::Peer;
use super::{dial, send, server};
use crate::identity::Identity;

/// How long queued frames may take to go out at a shutdown.
const FAREWELL: Duration = Duration::from_millis(250);

/// Nodes that are let in at once.
const JOINING: usize = 4;

/// What a transport needs to know.
pub struct TransportConfig {
    /// Who this node is.
    pub identity: Arc<Identity>,
    /// Where it listens for peers.
    pub listener: TcpListener,
    /// What TLS is spoken by; `None` for links in plain text.
    pub tls: Option<Arc<tls::Set>>,
    /// Where peers reach it, `host:port`, as it introduces itself.
    pub peer_address: String,
    /// Where clients reach it, `host:port`, as it introduces itself; may be empty.
    pub client_address: String,
    /// Up to which level it knows what goes through logs, as it introduces itself.
    pub level: u32,
    /// The other nodes; this node may be among them and is passed over.
    pub peers: Vec<(NodeId, String)>,
    /// Bounds.
    pub limits: Limits,
    /// Scatters the pauses between attempts to connect.
    pub rng: Arc<dyn Rng>,
}

/// Links to the other nodes of the cluster, over gRPC. Dropping it ends them at once.
pub struct Transport {
    pub(super) core: Arc<Core>,
}

impl Transport {
    /// Listens, and dials the peers with higher numbers; the others dial this node. Tasks run on
    /// the runtime this is called on.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn start(
        config: TransportConfig,
        admission: Arc<dyn Admission>,
        inbox: Arc<dyn Inbox>,
        snapshots: Arc<dyn SnapshotReceiver>,
    ) -> Result<Arc<Self>, Error> {
        config.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(config.listener)?;
        let core = Arc::new(Core {
            identity: config.identity,
            tls: config.tls.map(Tls::new),
            peer_address: config.peer_address,
            client_address: config.client_address,
            level: config.level,
            snapshots_out: Arc::new(Semaphore::new(config.limits.snapshots_out)),
            snapshots_in: Arc::new(Semaphore::new(config.limits.snapshots_in)),
            joining: Semaphore::new(JOINING),
            limits: config.limits,
            rng: config.rng,
            driver: RwLock::new(Some(Arc::new(Driver { admission, inbox, snapshots }))),
            peers: RwLock::default(),
            warnings: super::warnings::Warnings::default(),
            stopping: watch::Sender::new(false),
            runtime: Handle::current(),
            tasks: Mutex::new(Some(JoinSet::new())),
        });
        core.spawn(server::run(core.clone(), listener));
        let transport = Arc::new(Self { core });
        transport.set_peers(config.peers);
        Ok(transport)
    }
}

impl Net for Transport {
    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), Refused> {
        self.put(to, frame, false)
    }

    fn send_urgent(&self, to: NodeId, frame: Bytes) -> Result<(), Refused> {
        self.put(to, frame, true)
    }
}

impl Transport {
    fn put(&self, to: NodeId, frame: Bytes, urgent: bool) -> Result<(), Refused> {
        if frame.len() > self.core.limits.frame_bytes {
            let text = format!("a frame of {} bytes is over the limit", frame.len());
            self.core.warnings.warn(&format!("sending to node {to}"), &text);
            return Err(Refused);
        }
        match self.core.peers.read().get(&to) {
            Some(peer) => peer.send(frame, urgent),
            None => Err(Refused),
        }
    }
}

impl Carrier for Transport {
    fn set_peers(&self, peers: Vec<(NodeId, String)>) {
        let own = self.core.identity.node();
        let named: BTreeMap<_, _> = peers.into_iter().filter(|(node, _)| *node != own).collect();
        let mut known = self.core.peers.write();
        let gone: BTreeSet<_> =
            known.keys().filter(|node| !named.contains_key(node)).copied().collect();
        for peer in gone.iter().filter_map(|node| known.remove(node)) {
            peer.remove();
        }
        for (node, address) in named {
            if let Some(peer) = known.get(&node) {
                peer.set_address(address);
                continue;
            }
            let peer = Peer::new(node, address);
            known.insert(node, peer.clone());
            if own < node {
                self.core.spawn(dial::keep(self.core.clone(), peer));
            } else {
                self.core.spawn(dial::wait(self.core.clone(), peer));
            }
        }
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        chunks: Chunks,
        throttle: Option<NonZeroU64>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        send::run(self.core.clone(), to, chunks, throttle).boxed()
    }

    fn review(&self) {
        let peers: Vec<_> = self.core.peers.read().values().cloned().collect();
        for peer in peers {
            if peer.hello().is_some_and(|hello| self.core.judge(&hello).is_err()) {
                peer.end();
            }
        }
    }

    fn trouble(&self, node: NodeId) -> Option<String> {
        self.core.peers.read().get(&node)?.trouble()
    }

    fn identity(&self, node: NodeId) -> Option<u128> {
        Some(self.core.peers.read().get(&node)?.hello()?.identity)
    }

    fn shutdown(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            self.core.stopping.send_replace(true);
            let peers: Vec<_> = self.core.peers.read().values().cloned().collect();
            for peer in &peers {
                peer.finish();
            }
            // A link whose one direction ended is closed by the other side; its turn is then free.
            let farewell = async {
                for peer in &peers {
                    drop(peer.turn.lock().await);
                }
            };
            drop(timeout(FAREWELL, farewell).await);
            for peer in &peers {
                peer.remove();
            }
            let tasks = self.core.tasks.lock().take();
            if let Some(mut tasks) = tasks {
                tasks.shutdown().await;
            }
            drop(self.core.driver.write().take());
        }
        .boxed()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.core.stopping.send_replace(true);
        for peer in self.core.peers.read().values() {
            peer.remove();
        }
        // Dropped, a set ends its tasks.
        drop(self.core.tasks.lock().take());
    }
}
