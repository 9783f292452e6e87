//! Nodes that are started, stopped and cut off.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use node::{Answer, Consistency, Handle, Node, NodeConfig};
use state::command::Command;
use state::request::{Compare, CompareResult, CompareTarget, PutRequest, RangeRequest};
use state::request::{TxnOp, TxnRequest};
use state::response::{RangeResponse, Response};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use types::{Fault, KeyRange, KeyspaceId, LeaseId};

use super::proxy::Proxy;

/// How long anything may take; the machine may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Ticks of the nodes here: elections after 0.4 to 0.8 s.
pub(crate) const TICK: Duration = Duration::from_millis(40);
pub(crate) const DEFAULT: KeyspaceId = KeyspaceId::DEFAULT;

pub(crate) struct Cluster {
    pub(crate) configs: Vec<NodeConfig>,
    nodes: Vec<Option<Node>>,
    pub(crate) proxies: Vec<Proxy>,
    directory: TempDir,
}

/// A port that is free now, and that nobody gets by asking for any: a node that is stopped finds it again.
pub(crate) fn free_port() -> SocketAddr {
    /// Below those that systems hand out.
    const PORTS: std::ops::Range<u16> = 12_000..32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let own = u16::try_from(std::process::id() % u32::from(count)).unwrap();
    loop {
        let at = NEXT.fetch_add(1, Ordering::Relaxed) % count;
        let port = PORTS.start + (own + at) % count;
        if let Ok(free) = TcpListener::bind(("127.0.0.1", port)) {
            return free.local_addr().unwrap();
        }
    }
}

impl Cluster {
    /// `count` nodes that all run and serve.
    pub(crate) async fn start(count: usize, set: impl Fn(&mut NodeConfig)) -> Self {
        let mut cluster = Self::prepare(count, set);
        cluster.start_all().await;
        cluster
    }

    /// As [`Self::start`], with a wire in front of the last node. Lower nodes dial higher ones, so
    /// cutting it cuts the node off.
    pub(crate) async fn start_with_wire(count: usize, set: impl Fn(&mut NodeConfig)) -> Self {
        let mut cluster = Self::prepare(count, set);
        let last = cluster.configs.len() - 1;
        let proxy = Proxy::start(cluster.configs[last].listen_peer.parse().unwrap()).await;
        let address = proxy.address.to_string();
        cluster.configs[last].advertise_peer.clone_from(&address);
        for config in &mut cluster.configs {
            config.initial_cluster[last].1.clone_from(&address);
        }
        cluster.proxies.push(proxy);
        cluster.start_all().await;
        cluster
    }

    pub(crate) fn prepare(count: usize, set: impl Fn(&mut NodeConfig)) -> Self {
        // Shown with a test that failed, as much as RUST_LOG asks for.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        drop(log.with_test_writer().try_init());
        let directory = tempfile::tempdir().unwrap();
        let addresses: Vec<String> = (0..count).map(|_| free_port().to_string()).collect();
        let name = |at: usize| format!("n{}", at + 1);
        let initial: Vec<_> =
            addresses.iter().enumerate().map(|(at, address)| (name(at), address.clone())).collect();
        let configs = addresses.iter().enumerate().map(|(at, address)| {
            let mut config = NodeConfig {
                name: name(at),
                data_dir: directory.path().join(name(at)),
                listen_peer: address.clone(),
                advertise_peer: address.clone(),
                advertise_client: String::new(),
                initial_cluster: initial.clone(),
                tick: TICK,
                // Machines that test are, and tests say who is to lead.
                leads_strained: true,
                log_segment_bytes: 1 << 20,
                log_flush_after: Duration::ZERO,
                engine_memory_bytes: 8 << 20,
                ..NodeConfig::default()
            };
            set(&mut config);
            config
        });
        let configs: Vec<NodeConfig> = configs.collect();
        let nodes = (0..count).map(|_| None).collect();
        Self { configs, nodes, proxies: Vec::new(), directory }
    }

    /// One more node, which is to join the others; answers its place. It is not started.
    pub(crate) fn newcomer(&mut self) -> usize {
        let at = self.configs.len();
        let address = free_port().to_string();
        let mut config = self.configs[0].clone();
        config.name = format!("n{}", at + 1);
        config.data_dir = self.directory.path().join(&config.name);
        config.join = self.configs.iter().map(|config| config.advertise_peer.clone()).collect();
        config.initial_cluster = vec![(config.name.clone(), address.clone())];
        config.listen_peer.clone_from(&address);
        config.advertise_peer = address;
        self.configs.push(config);
        self.nodes.push(None);
        at
    }

    pub(crate) async fn start_all(&mut self) {
        let starting: Vec<_> =
            self.configs.iter().map(|config| tokio::spawn(Node::start(config.clone()))).collect();
        for (slot, starting) in self.nodes.iter_mut().zip(starting) {
            *slot = Some(within("a start", starting).await.unwrap().unwrap());
        }
        for at in 0..self.nodes.len() {
            within("a leader", self.handle(at).ready(DEFAULT)).await;
        }
    }

    pub(crate) fn handle(&self, at: usize) -> Handle {
        self.nodes[at].as_ref().expect("the node runs").handle()
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.nodes.iter().flatten().map(Node::handle).collect()
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().expect("the node runs")
    }

    /// Stops a node in order, without giving its leadership away first.
    pub(crate) async fn stop(&mut self, at: usize) {
        let node = self.nodes[at].take().expect("the node runs");
        within("a stop", node.shutdown()).await;
    }

    /// Lets a node go without a word; it stops in the background.
    pub(crate) fn abandon(&mut self, at: usize) {
        drop(self.nodes[at].take());
    }

    /// Starts a stopped node. One that was abandoned may take a moment to let go of its files.
    pub(crate) async fn start_again(&mut self, at: usize) {
        let start = async {
            loop {
                match Node::start(self.configs[at].clone()).await {
                    Ok(node) => return node,
                    Err(error) => {
                        let text = error.to_string();
                        let held = ["in use", "lock", "listened on"];
                        assert!(held.iter().any(|word| text.contains(word)), "{text}");
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        let node = within("a start", start).await;
        within("a leader", node.handle().ready(DEFAULT)).await;
        self.nodes[at] = Some(node);
    }

    /// Takes a node that was started elsewhere.
    pub(crate) fn put_back(&mut self, at: usize, node: Node) {
        self.nodes[at] = Some(node);
    }

    /// Which node leads the keyspace, once all nodes of `among` agree.
    pub(crate) async fn leader(&self, among: &[usize]) -> usize {
        let agree = async {
            loop {
                let mut leaders = Vec::new();
                for at in among {
                    let status = self.handle(*at).status(DEFAULT).await.unwrap();
                    leaders.push(status.body.leader);
                }
                let first = leaders[0];
                if let Some(leader) = first
                    && leaders.iter().all(|leader| *leader == first)
                {
                    return usize::try_from(leader.get()).unwrap() - 1;
                }
                sleep(TICK).await;
            }
        };
        within("agreement on a leader", agree).await
    }

    /// Lets leadership move until node `at` has it.
    pub(crate) async fn make_leader(&self, at: usize) {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let moving = async {
            loop {
                let leader = self.leader(&all).await;
                if leader == at {
                    return;
                }
                self.node(leader).hand_over().await;
            }
        };
        within("a certain leader", moving).await;
    }

    pub(crate) async fn stop_all(mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_some() {
                self.stop(at).await;
            }
        }
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("no {what} in {PATIENCE:?}"),
    }
}

/// Asks again and again until `check` is content.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < PATIENCE, "no {what} in {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn put(key: &str, value: impl Into<Bytes>) -> Command {
    let key = Bytes::copy_from_slice(key.as_bytes());
    Command::Put(PutRequest { key, value: value.into(), ..PutRequest::default() })
}

pub(crate) fn put_leased(key: &str, lease: LeaseId) -> Command {
    let key = Bytes::copy_from_slice(key.as_bytes());
    Command::Put(PutRequest { key, lease, ..PutRequest::default() })
}

pub(crate) fn one(key: &str) -> RangeRequest {
    let range = KeyRange::single(&Bytes::copy_from_slice(key.as_bytes()));
    RangeRequest { range, ..RangeRequest::default() }
}

pub(crate) fn all() -> RangeRequest {
    let range = KeyRange { start: Bytes::from_static(b"\0"), end: None };
    RangeRequest { range, ..RangeRequest::default() }
}

pub(crate) async fn read(
    handle: &Handle,
    request: RangeRequest,
) -> Result<Answer<RangeResponse>, Fault> {
    handle.range(DEFAULT, request, Consistency::Linearizable).await
}

/// The value of a key, read from a quorum.
pub(crate) async fn value(handle: &Handle, key: &str) -> Option<Bytes> {
    let answer = read(handle, one(key)).await.unwrap();
    answer.body.kvs.first().map(|kv| kv.value.clone())
}

/// What a node has by itself, as one comparable thing.
pub(crate) async fn own_state(handle: &Handle) -> (i64, Vec<(Bytes, Bytes, i64)>) {
    let answer = handle.range(DEFAULT, all(), Consistency::Stale).await.unwrap();
    let kvs = answer.body.kvs.into_iter();
    (
        answer.header.revision.get(),
        kvs.map(|kv| (kv.key, kv.value, kv.mod_revision.get())).collect(),
    )
}

/// Sets `key` to `new` if it is `old`; answers whether it was.
pub(crate) fn swap(key: &str, old: Option<Bytes>, new: Bytes) -> Command {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let target = match old {
        Some(old) => CompareTarget::Value(old),
        None => CompareTarget::Version(0),
    };
    let compare = Compare {
        range: KeyRange::single(&key),
        single: true,
        result: CompareResult::Equal,
        target,
    };
    let put = TxnOp::Put(PutRequest { key, value: new, ..PutRequest::default() });
    Command::Txn(TxnRequest { compare: vec![compare], success: vec![put], failure: vec![] })
}

pub(crate) fn succeeded(response: &Response) -> bool {
    match response {
        Response::Txn { succeeded, .. } => *succeeded,
        other => panic!("not a transaction's answer: {other:?}"),
    }
}
