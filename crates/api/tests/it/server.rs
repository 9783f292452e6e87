use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use node::audit::Audit;
use node::{AclSettings, EngineKind, Handle, Node, NodeConfig};
use spans::Tracer;
use state::command::level;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use types::KeyspaceId;

/// Somewhere to listen. A node binds its peer port itself, so this one must stay free for a while: no
/// system hands out ports of this range by itself.
async fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let at = std::process::id() * 64 + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = format!("127.0.0.1:{}", 11_000 + at % 9_000);
        if TcpListener::bind(&address).await.is_ok() {
            return address;
        }
    }
}

/// What some tests want otherwise.
struct More {
    acl: AclSettings,
    audit: Arc<Audit>,
    level: u32,
    tracer: Tracer,
    registry_shards: u32,
}

impl Default for More {
    fn default() -> Self {
        let (acl, audit, tracer) = Default::default();
        Self { acl, audit, level: level::ALL, tracer, registry_shards: 0 }
    }
}

/// A node that serves clients.
pub(crate) struct Server {
    pub(crate) channel: Channel,
    pub(crate) address: String,
    node: Node,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _directory: tempfile::TempDir,
}

impl Server {
    /// A cluster of one.
    pub(crate) async fn start() -> Self {
        Self::start_cluster(1).await.remove(0)
    }

    /// A cluster whose nodes all know their leader.
    pub(crate) async fn start_cluster(nodes: usize) -> Vec<Self> {
        Self::start_cluster_with(nodes, NodeConfig::default().election_ticks).await
    }

    /// With so many ticks of patience for a silent leader.
    pub(crate) async fn start_cluster_with(nodes: usize, election_ticks: usize) -> Vec<Self> {
        let mut members = Vec::new();
        for number in 1..=nodes {
            members.push((format!("n{number}"), free_address().await));
        }
        let more = More::default;
        let start = |at| Self::start_member(members.clone(), at, election_ticks, more());
        join_all((0..nodes).map(start)).await
    }

    /// A cluster of one with an audit log.
    pub(crate) async fn start_audited(acl: AclSettings, audit: Arc<Audit>) -> Self {
        let members = vec![("n1".to_owned(), free_address().await)];
        let ticks = NodeConfig::default().election_ticks;
        Self::start_member(members, 0, ticks, More { acl, audit, ..More::default() }).await
    }

    /// A cluster of one whose build knows what goes through logs up to a level.
    pub(crate) async fn start_old(acl: AclSettings, level: u32) -> Self {
        let members = vec![("n1".to_owned(), free_address().await)];
        let more = More { acl, level, ..More::default() };
        Self::start_member(members, 0, NodeConfig::default().election_ticks, more).await
    }

    /// Whose ACL is as the settings say.
    pub(crate) async fn start_with_acl(nodes: usize, acl: AclSettings) -> Vec<Self> {
        let mut members = Vec::new();
        for number in 1..=nodes {
            members.push((format!("n{number}"), free_address().await));
        }
        let ticks = NodeConfig::default().election_ticks;
        let more = || More { acl: acl.clone(), ..More::default() };
        let start = |at| Self::start_member(members.clone(), at, ticks, more());
        join_all((0..nodes).map(start)).await
    }

    /// A cluster whose registry has so many shards; 0 for one that is not sharded.
    pub(crate) async fn start_sharded(nodes: usize, registry_shards: u32) -> Vec<Self> {
        let mut members = Vec::new();
        for number in 1..=nodes {
            members.push((format!("n{number}"), free_address().await));
        }
        let ticks = NodeConfig::default().election_ticks;
        let more = || More { registry_shards, ..More::default() };
        let start = |at| Self::start_member(members.clone(), at, ticks, more());
        join_all((0..nodes).map(start)).await
    }

    /// A cluster whose nodes trace by what `tracer` makes for each name.
    pub(crate) async fn start_traced(nodes: usize, tracer: impl Fn(&str) -> Tracer) -> Vec<Self> {
        let mut members = Vec::new();
        for number in 1..=nodes {
            members.push((format!("n{number}"), free_address().await));
        }
        let ticks = NodeConfig::default().election_ticks;
        let start = |at: usize| {
            let more = More { tracer: tracer(&members[at].0), ..More::default() };
            Self::start_member(members.clone(), at, ticks, more)
        };
        join_all((0..nodes).map(start)).await
    }

    async fn start_member(
        members: Vec<(String, String)>,
        at: usize,
        election_ticks: usize,
        more: More,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (name, peer) = members[at].clone();
        let mut config = NodeConfig {
            name,
            data_dir: directory.path().to_owned(),
            listen_peer: peer.clone(),
            advertise_peer: peer,
            advertise_client: address.clone(),
            initial_cluster: members,
            engine: EngineKind::Memory,
            acl: more.acl,
            audit: more.audit,
            level: more.level,
            tracer: more.tracer,
            registry_shards: more.registry_shards,
            tick: Duration::from_millis(10),
            election_ticks,
            log_segment_bytes: 1 << 20,
            ..NodeConfig::default()
        };
        let patience = &mut config.host_limits.read_patience_ticks;
        *patience = (2 * election_ticks as u64).max(*patience);
        let node = Node::start(config).await.unwrap();
        let handle = node.handle();
        handle.ready(KeyspaceId::DEFAULT).await;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let serving = tokio::spawn(api::serve_clients(handle, listener, shutdown));
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self { channel, address, node, stop, serving, _directory: directory }
    }

    /// The node behind it.
    pub(crate) fn handle(&self) -> Handle {
        self.node.handle()
    }

    pub(crate) async fn stop(self) {
        drop(self.channel);
        drop(self.stop);
        self.node.shutdown().await;
        self.serving.await.unwrap().unwrap();
    }
}
