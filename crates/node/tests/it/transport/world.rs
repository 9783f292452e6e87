//! Nodes that have a transport and nothing else.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Inbox, Net, OsRandom, RealDisk};
use node::identity::{Identity, InitialCluster};
use node::transport::{
    Admission, Carrier, Limits, PeerHello, SnapshotReceiver, SnapshotSink, Transport,
    TransportConfig,
};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;
use types::{ClusterId, Code, Fault, NodeId};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Link(NodeId, bool),
    Frame(NodeId, Bytes),
    Snapshot(Vec<u8>),
    Aborted,
}

/// Everything a node is told, in order.
pub(crate) struct Record {
    events: UnboundedSender<Event>,
    /// While this is held, deliveries hang.
    pub(crate) gate: Mutex<()>,
    /// What sinks answer: to `accept` after this many bytes, and to `finish`.
    pub(crate) fail_after: Mutex<Option<usize>>,
    pub(crate) fail_finish: Mutex<Option<Fault>>,
    /// How many snapshots began.
    begun: watch::Sender<u64>,
}

impl Record {
    pub(crate) fn new() -> (Arc<Self>, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        let (gate, fail_after, fail_finish, begun) = Default::default();
        (Arc::new(Self { events, gate, fail_after, fail_finish, begun }), receiver)
    }
}

impl Record {
    /// Waits until `count` snapshots began.
    pub(crate) async fn begun(&self, count: u64) {
        let mut begun = self.begun.subscribe();
        let wait = timeout(PATIENCE, begun.wait_for(|begun| *begun >= count));
        wait.await.expect("snapshots in time").expect("a receiver");
    }
}

impl Inbox for Record {
    fn deliver(&self, from: NodeId, frame: Bytes) {
        let _gate = self.gate.lock();
        drop(self.events.send(Event::Frame(from, frame)));
    }

    fn link(&self, peer: NodeId, up: bool) {
        drop(self.events.send(Event::Link(peer, up)));
    }
}

struct Sink {
    events: UnboundedSender<Event>,
    data: Vec<u8>,
    fail_after: Option<usize>,
    fail_finish: Option<Fault>,
}

impl SnapshotReceiver for Record {
    fn begin(&self, _from: NodeId) -> Result<Box<dyn SnapshotSink>, Fault> {
        self.begun.send_modify(|begun| *begun += 1);
        Ok(Box::new(Sink {
            events: self.events.clone(),
            data: Vec::new(),
            fail_after: *self.fail_after.lock(),
            fail_finish: self.fail_finish.lock().clone(),
        }))
    }
}

impl SnapshotSink for Sink {
    fn accept(&mut self, chunk: Bytes) -> Result<(), Fault> {
        self.data.extend_from_slice(&chunk);
        match self.fail_after {
            Some(bytes) if self.data.len() > bytes => Err(Fault::new(Code::NoSpace, "disk full")),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<(), Fault> {
        drop(self.events.send(Event::Snapshot(self.data)));
        self.fail_finish.map_or(Ok(()), Err)
    }

    fn abort(self: Box<Self>) {
        drop(self.events.send(Event::Aborted));
    }
}

/// Which identity each member has, as the directory of a cluster knows it.
#[derive(Default)]
pub(crate) struct Directory(pub(crate) Mutex<BTreeMap<NodeId, u128>>);

impl Admission for Directory {
    fn admit(&self, hello: &PeerHello) -> Result<(), Fault> {
        hello.check_identity(self.0.lock().get(&hello.node).copied().unwrap_or(0))
    }
}

pub(crate) struct Node {
    pub(crate) identity: Arc<Identity>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) record: Arc<Record>,
    pub(crate) directory: Arc<Directory>,
    events: UnboundedReceiver<Event>,
}

impl Node {
    pub(crate) async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a node")
    }

    pub(crate) async fn up(&mut self, peer: u64) {
        assert_eq!(self.event().await, Event::Link(NodeId(peer), true));
    }

    pub(crate) async fn down(&mut self, peer: u64) {
        assert_eq!(self.event().await, Event::Link(NodeId(peer), false));
    }

    pub(crate) fn no_event(&mut self) {
        assert_eq!(self.events.try_recv().ok(), None);
    }

    /// Waits until it is known why there is no link to `peer`.
    pub(crate) async fn trouble(&self, peer: u64, words: &str) {
        let told = timeout(PATIENCE, async {
            loop {
                let trouble = self.transport.trouble(NodeId(peer)).unwrap_or_default();
                if trouble.contains(words) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if told.await.is_err() {
            panic!("no {words:?} in {:?}", self.transport.trouble(NodeId(peer)));
        }
    }
}

/// Sends and, as long as the queue is full, tries again.
pub(crate) async fn send(transport: &Transport, to: u64, frame: Bytes) {
    let sent = timeout(PATIENCE, async {
        while transport.send(NodeId(to), frame.clone()).is_err() {
            tokio::task::yield_now().await;
        }
    });
    sent.await.expect("room in the queue in time");
}

/// Stands between two nodes; while it is silent, nothing goes through and nothing is closed.
pub(crate) struct Proxy {
    pub(crate) address: String,
    pub(crate) silent: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy that closes its first `deaf` connections at once.
    pub(crate) async fn start(to: String, mut deaf: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let silent = watch::Sender::new(false);
        let speaks = silent.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if deaf > 0 {
                    deaf -= 1;
                    continue;
                }
                let Ok(far) = TcpStream::connect(&to).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, speaks.subscribe()));
                tokio::spawn(carry(far_in, near_out, speaks.subscribe()));
            }
        });
        Self { address, silent }
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if silent.wait_for(|silent| !silent).await.is_err()
            || to.write_all(&buffer[..count]).await.is_err()
        {
            return;
        }
    }
}

/// The machine: a port and a directory for each node of one initial cluster.
pub(crate) struct World {
    pub(crate) initial: InitialCluster,
    pub(crate) limits: Limits,
    listeners: Mutex<BTreeMap<NodeId, TcpListener>>,
    dirs: BTreeMap<NodeId, TempDir>,
}

impl World {
    pub(crate) fn new(nodes: u64) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let listeners: BTreeMap<_, _> = (1..=nodes).map(|id| (NodeId(id), listen())).collect();
        let member = |(id, listener): (&NodeId, &TcpListener)| {
            (format!("n{id}"), listener.local_addr().expect("an address").to_string())
        };
        let initial = InitialCluster::new(listeners.iter().map(member).collect()).expect("members");
        let dirs = listeners.keys().map(|id| (*id, tempfile::tempdir().expect("a directory")));
        let dirs = dirs.collect();
        Self { initial, limits: Limits::default(), listeners: Mutex::new(listeners), dirs }
    }

    pub(crate) fn address(&self, node: u64) -> String {
        let peers = self.initial.peers();
        peers.into_iter().find(|(id, _)| id.get() == node).expect("a member").1
    }

    pub(crate) fn dir(&self, node: u64) -> &Path {
        self.dirs[&NodeId(node)].path()
    }

    /// The node's directory is as good as new.
    pub(crate) fn lose_data(&self, node: u64) {
        std::fs::remove_file(self.dir(node).join("identity.json")).expect("an identity");
    }

    /// Starts a node of `cluster` with all peers.
    pub(crate) async fn start(&self, node: u64, cluster: Option<u128>) -> Node {
        self.start_with(node, cluster, &self.initial, self.initial.peers()).await
    }

    pub(crate) async fn start_with(
        &self,
        node: u64,
        cluster: Option<u128>,
        initial: &InitialCluster,
        peers: Vec<(NodeId, String)>,
    ) -> Node {
        let name = format!("n{node}");
        let disk = Arc::new(RealDisk);
        let identity = Identity::load_or_create(disk, self.dir(node), initial, &name, &OsRandom);
        let identity = Arc::new(identity.expect("an identity"));
        if let Some(cluster) = cluster {
            identity.set_cluster(ClusterId(cluster)).expect("a cluster");
        }
        let listener = match self.listeners.lock().remove(&NodeId(node)) {
            Some(listener) => listener,
            None => TcpListener::bind(self.address(node)).expect("the port to be free again"),
        };
        let (record, events) = Record::new();
        let directory = Arc::new(Directory::default());
        let config = TransportConfig {
            identity: identity.clone(),
            listener,
            tls: None,
            peer_address: self.address(node),
            client_address: String::new(),
            level: 1,
            peers,
            limits: self.limits.clone(),
            rng: Arc::new(OsRandom),
        };
        let transport =
            Transport::start(config, directory.clone(), record.clone(), record.clone()).await;
        let transport = transport.expect("a transport");
        Node { identity, transport, record, directory, events }
    }
}
