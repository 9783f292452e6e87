//! How a node gets in touch with the others: over the network, or inside one process.

use std::net::TcpListener;
use std::sync::Arc;

use env::{Inbox, Rng, ThreadSpawn};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use types::NodeId;

use crate::Error;
use crate::identity::{Identity, InitialCluster};
use crate::transport::memory::MemoryNet;
use crate::transport::{
    Admission, Carrier, Limits, SnapshotReceiver, Transport, TransportConfig, wait_for_quorum,
};

/// Connects a node to its cluster; to be implemented for links of another kind.
pub trait Network: Send + Sync {
    /// Begins to send and receive for a node.
    ///
    /// # Errors
    /// Why it cannot; the node does not start then.
    fn connect(&self, joining: Joining) -> BoxFuture<'static, Result<Connected, Error>>;
}

/// A node that wants to be connected.
pub struct Joining {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The nodes its cluster is first formed of.
    pub initial: InitialCluster,
    /// How many of them must be there before the first election.
    pub quorum: Option<usize>,
    /// Every node, with its address, as far as this one knows.
    pub peers: Vec<(NodeId, String)>,
    /// Where the others reach it.
    pub peer_address: String,
    /// Where clients reach it.
    pub client_address: String,
    /// Up to which level it knows what goes through logs.
    pub level: u32,
    /// Scatters pauses.
    pub rng: Arc<dyn Rng>,
    /// Says who may talk to it.
    pub admission: Arc<dyn Admission>,
    /// Takes frames.
    pub inbox: Arc<dyn Inbox>,
    /// Takes snapshots.
    pub snapshots: Arc<dyn SnapshotReceiver>,
}

/// A node that can be heard.
pub struct Connected {
    /// Its end of the links.
    pub carrier: Arc<dyn Carrier>,
    /// Answers when it may take part: a new cluster must not be formed beside an older one.
    pub may_take_part: BoxFuture<'static, Result<(), Error>>,
}

/// Links over gRPC.
pub(crate) struct GrpcNetwork {
    /// Taken by the transport, so that the port is free when that ends.
    listener: Mutex<Option<TcpListener>>,
    tls: Option<Arc<tls::Set>>,
}

impl GrpcNetwork {
    pub(crate) fn new(listener: TcpListener, tls: Option<Arc<tls::Set>>) -> Self {
        Self { listener: Mutex::new(Some(listener)), tls }
    }
}

impl Network for GrpcNetwork {
    fn connect(&self, joining: Joining) -> BoxFuture<'static, Result<Connected, Error>> {
        let (listener, tls) = (self.listener.lock().take(), self.tls.clone());
        async move {
            let listener = listener.ok_or_else(|| Error::Io {
                what: "the peer address is in use by another node of this process".into(),
                source: std::io::ErrorKind::AddrInUse.into(),
            })?;
            let Joining { identity, initial, quorum, peers, rng, .. } = joining;
            let config = TransportConfig {
                identity,
                listener,
                tls,
                peer_address: joining.peer_address,
                client_address: joining.client_address,
                level: joining.level,
                peers,
                limits: Limits::default(),
                rng,
            };
            let (admission, inbox) = (joining.admission, joining.inbox);
            let transport = Transport::start(config, admission, inbox, joining.snapshots).await?;
            let carrier = Arc::clone(&transport) as Arc<dyn Carrier>;
            let may_take_part = async move {
                let start = wait_for_quorum(&transport, &initial, quorum).await?;
                tracing::info!(?start, "taking part");
                Ok(())
            };
            Ok(Connected { carrier, may_take_part: may_take_part.boxed() })
        }
        .boxed()
    }
}

impl Network for MemoryNet {
    /// Nobody is waited for: without a majority of the initial cluster Raft elects nobody, and whose
    /// data is gone is not let in.
    fn connect(&self, joining: Joining) -> BoxFuture<'static, Result<Connected, Error>> {
        let identity = &joining.identity;
        let (node, number) = (identity.node(), identity.identity());
        let (inbox, snapshots) = (joining.inbox, joining.snapshots);
        let joined = self.join_as(node, number, inbox, snapshots, &ThreadSpawn);
        let connected = match joined {
            Ok(carrier) => Ok(Connected { carrier, may_take_part: async { Ok(()) }.boxed() }),
            Err(source) => Err(Error::Io {
                what: format!("node {node} cannot join the net of this process"),
                source,
            }),
        };
        async move { connected }.boxed()
    }
}
