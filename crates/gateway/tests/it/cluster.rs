use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::{Config, Gateway};
use node::{EngineKind, Node, NodeConfig};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use types::KeyspaceId;

/// Somewhere to listen that stays free for a while: no system hands out ports of this range by itself.
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

pub(crate) async fn channel(address: &str) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// A node that serves clients.
pub(crate) struct Member {
    pub(crate) address: String,
    node: Node,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _directory: tempfile::TempDir,
}

impl Member {
    async fn start(members: Vec<(String, String)>, at: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (name, peer) = members[at].clone();
        let node = Node::start(NodeConfig {
            name,
            data_dir: directory.path().to_owned(),
            listen_peer: peer.clone(),
            advertise_peer: peer,
            advertise_client: address.clone(),
            initial_cluster: members,
            engine: EngineKind::Memory,
            tick: Duration::from_millis(10),
            log_segment_bytes: 1 << 20,
            ..NodeConfig::default()
        })
        .await
        .unwrap();
        let handle = node.handle();
        handle.ready(KeyspaceId::DEFAULT).await;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let serving = tokio::spawn(api::serve_clients(handle, listener, shutdown));
        Self { address, node, stop, serving, _directory: directory }
    }

    /// It is gone from one moment to the next: its clients' connections are cut.
    pub(crate) async fn kill(self) {
        self.serving.abort();
        drop(self.serving.await);
        drop(self.stop);
        self.node.shutdown().await;
    }
}

/// Members that all know their leader.
pub(crate) async fn members(count: usize) -> Vec<Member> {
    let mut names = Vec::new();
    for number in 1..=count {
        names.push((format!("n{number}"), free_address().await));
    }
    let start = |at| Member::start(names.clone(), at);
    futures::future::join_all((0..count).map(start)).await
}

/// A gateway in front of `endpoints`, and where it is.
pub(crate) async fn gateway(endpoints: impl IntoIterator<Item = String>) -> (Gateway, String) {
    let config = Config::new("g1", endpoints).unwrap();
    let gateway = Gateway::start(&config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(listener, None, std::future::pending()).await });
    (gateway, address)
}

/// One in front of all these.
pub(crate) async fn in_front_of(members: &[Member]) -> String {
    let (gateway, address) = gateway(members.iter().map(|it| it.address.clone())).await;
    gateway.ready().await;
    address
}
