//! Nodes of one process, and machines to try them with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::{Handle, MemoryNet, Node, NodeBuilder, StateMachine, Store, View};
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use types::ReadFailure;

use crate::cluster::world::{TICK, within};

/// Adds numbers up. Told `panic`, it panics; told `wait-0` or `wait-1`, it waits at that gate.
pub(crate) struct Counter {
    sum: i64,
}

/// What machines stand at. All of a test process share them: each test has its own.
pub(crate) struct Gate {
    open: Mutex<bool>,
    moved: Condvar,
}

pub(crate) static GATES: [Gate; 2] = [Gate::new(), Gate::new()];

impl Gate {
    const fn new() -> Self {
        Self { open: Mutex::new(true), moved: Condvar::new() }
    }

    pub(crate) fn set(&self, open: bool) {
        *self.open.lock() = open;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let mut open = self.open.lock();
        while !*open {
            self.moved.wait(&mut open);
        }
    }
}

pub(crate) fn number(value: i64) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

pub(crate) fn value(bytes: &Bytes) -> i64 {
    i64::from_be_bytes(bytes.as_ref().try_into().unwrap())
}

impl StateMachine for Counter {
    fn open(view: &View<'_>) -> Result<Self, ReadFailure> {
        Ok(Self { sum: view.get(b"sum")?.map_or(0, |sum| value(&sum)) })
    }

    fn apply(&mut self, command: Bytes, store: &mut Store<'_>) -> Result<Bytes, ReadFailure> {
        match command.as_ref() {
            b"panic" => panic!("told to"),
            b"wait-0" => GATES[0].pass(),
            b"wait-1" => GATES[1].pass(),
            _ => self.sum += value(&command),
        }
        store.put(b"sum", number(self.sum));
        Ok(number(self.sum))
    }

    fn query(&self, question: Bytes, _view: &View<'_>) -> Result<Bytes, ReadFailure> {
        assert!(question != "panic", "told to");
        Ok(number(self.sum))
    }
}

pub(crate) struct Nodes {
    pub(crate) net: MemoryNet,
    nodes: Vec<Option<Node>>,
    directory: TempDir,
    set: Arc<dyn Fn(usize, NodeBuilder) -> NodeBuilder + Send + Sync>,
}

impl Nodes {
    /// `count` nodes that all run. Each knows counters, unless `set` builds it anew.
    pub(crate) async fn start(
        count: usize,
        set: impl Fn(usize, NodeBuilder) -> NodeBuilder + Send + Sync + 'static,
    ) -> Self {
        let mut nodes = Self {
            net: MemoryNet::default(),
            nodes: (0..count).map(|_| None).collect(),
            directory: tempfile::tempdir().unwrap(),
            set: Arc::new(set),
        };
        nodes.start_all().await;
        nodes
    }

    pub(crate) fn directory(&self, at: usize) -> PathBuf {
        self.directory.path().join(format!("n{}", at + 1))
    }

    pub(crate) fn builder(&self, at: usize) -> NodeBuilder {
        let builder = Node::builder(self.directory(at))
            .name(format!("n{}", at + 1))
            .members((1..=self.nodes.len()).map(|at| format!("n{at}")))
            .net(self.net.clone())
            .configure(|config| {
                config.tick = TICK;
                config.log_segment_bytes = 1 << 20;
                config.engine_memory_bytes = 8 << 20;
            });
        (self.set)(at, builder)
    }

    pub(crate) async fn start_all(&mut self) {
        for at in 0..self.nodes.len() {
            self.start_one(at).await;
        }
        for handle in self.handles() {
            within("a leader", handle.ready(types::KeyspaceId::DEFAULT)).await;
        }
    }

    pub(crate) async fn start_one(&mut self, at: usize) {
        self.nodes[at] = Some(within("a start", self.builder(at).start()).await.unwrap());
    }

    pub(crate) fn handle(&self, at: usize) -> Handle {
        self.nodes[at].as_ref().expect("the node runs").handle()
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.nodes.iter().flatten().map(Node::handle).collect()
    }

    pub(crate) async fn stop(&mut self, at: usize) {
        let node = self.nodes[at].take().expect("the node runs");
        within("a stop", node.shutdown()).await;
    }

    pub(crate) async fn stop_all(&mut self) {
        for at in 0..self.nodes.len() {
            if let Some(node) = self.nodes[at].take() {
                within("a stop", node.shutdown()).await;
            }
        }
    }
}

/// Tries again until it works, where a leader may be on its way out.
pub(crate) async fn eventually<T, F: Future<Output = Result<T, types::Fault>>>(
    what: &str,
    attempt: impl Fn() -> F,
) -> T {
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    within(what, trying).await
}
