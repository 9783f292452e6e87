//! What a node is made of, and what of it a program can bring along.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use env::{Clock, Disk, MonotonicClock, OsRandom, RealDisk, Rng};
use state::custom::StateMachine;
use storage::engine::{DiskEngine, DiskOptions, Engine, MemoryEngine};
use storage::log::Log;
use storage::wal::{Wal, WalConfig};
use types::{Code, Fault};

use super::{Node, joining};
use crate::Error;
use crate::config::{EngineKind, NodeConfig};
use crate::history::NodeHistory;
use crate::identity::{DirectoryLock, Identity, InitialCluster};
use crate::machines::Machines;
use crate::network::{GrpcNetwork, Network};
use crate::shared::{Parts, Shared};
use crate::transport::memory::MemoryNet;
use crate::watch::Hub;

/// Puts a node together. What is not set is as in [`NodeConfig::default`].
///
/// Made by [`Node::builder`], it is for inside a program: it listens nowhere, and is a cluster of its
/// own unless [`Self::members`] and [`Self::net`] make it part of a larger one. Made from a
/// [`NodeConfig`], it talks to others over the network.
#[must_use]
pub struct NodeBuilder {
    config: NodeConfig,
    machines: Machines,
    network: Option<Arc<dyn Network>>,
    /// Whether it stays inside this process.
    embedded: bool,
    engine: Option<Arc<dyn Engine>>,
    log: Option<Box<dyn Log>>,
    clock: Arc<dyn Clock>,
}

impl From<NodeConfig> for NodeBuilder {
    fn from(config: NodeConfig) -> Self {
        Self {
            config,
            machines: Machines::default(),
            network: None,
            embedded: false,
            engine: None,
            log: None,
            clock: Arc::new(MonotonicClock::default()),
        }
    }
}

impl Node {
    /// A node inside this program that keeps everything in `data_dir`.
    pub fn builder(data_dir: impl Into<PathBuf>) -> NodeBuilder {
        let config = NodeConfig { data_dir: data_dir.into(), ..NodeConfig::default() };
        NodeBuilder { embedded: true, ..NodeBuilder::from(config) }
    }
}

impl NodeBuilder {
    /// The node's name, unique in its cluster.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// The names of the nodes a new cluster in this process starts with, this one's among them.
    pub fn members(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into);
        self.config.initial_cluster = names.map(member).collect();
        self
    }

    /// Connects the node by other means than gRPC, for one a [`MemoryNet`] that its nodes share.
    pub fn net(mut self, network: impl Network + 'static) -> Self {
        self.network = Some(Arc::new(network));
        self
    }

    /// Lets the node carry out the commands of keyspaces with the machine called `name`. The same
    /// name has to mean the same on every node, for as long as the data is kept.
    pub fn machine<M: StateMachine>(mut self, name: &str) -> Self {
        self.machines.add::<M>(name);
        self
    }

    /// Keeps the state in an engine of the program's own instead of the configured one.
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Keeps the log elsewhere: in memory, with a [`storage::log::MemoryLog`], for a node that is
    /// thrown away. The engine must be one in memory then, too.
    pub fn log(mut self, log: impl Log) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// Counts leases and elections on a clock of the program's own.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Changes any other setting.
    pub fn configure(mut self, set: impl FnOnce(&mut NodeConfig)) -> Self {
        set(&mut self.config);
        self
    }

    /// Starts the node, as [`Node::start`] does.
    ///
    /// # Errors
    /// As for [`Node::start`].
    pub async fn start(self) -> Result<Node, Error> {
        let lock = DirectoryLock::acquire(&self.config.data_dir)?;
        if !self.config.join.is_empty() {
            if self.embedded {
                let text = "a node inside a program cannot join a cluster later";
                return Err(Error::Refused(Fault::new(Code::Unsupported, text)));
            }
            let make_log = || {
                let disk: Arc<dyn Disk> = Arc::new(RealDisk);
                open_log(&self.config, &disk, &OsRandom).map(drop)
            };
            joining::join(&self.config, &RealDisk, &OsRandom, make_log).await?;
        }
        Node::run(self.prepare(lock)?).await
    }

    /// What can be done before anything runs.
    fn prepare(self, lock: DirectoryLock) -> Result<Prepared, Error> {
        let Self { mut config, machines, network, embedded, engine, log, clock } = self;
        if embedded {
            let (name, address) = member(config.name.clone());
            config.advertise_peer = address.clone();
            if config.initial_cluster.is_empty() {
                config.initial_cluster.push((name, address));
            }
        }
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let rng: Arc<dyn Rng> = Arc::new(OsRandom);
        let initial = InitialCluster::new(config.initial_cluster.clone())?;
        let identity = Identity::load_or_create(
            Arc::clone(&disk),
            &config.data_dir,
            &initial,
            &config.name,
            rng.as_ref(),
        )?;
        let network = match network {
            Some(network) => network,
            None if embedded => Arc::new(MemoryNet::default()),
            None => listen(&config)?,
        };
        let wal = match log {
            Some(log) => log,
            None => {
                check_log_is_there(&config, disk.as_ref(), &identity)?;
                open_log(&config, &disk, rng.as_ref())?
            }
        };
        let engine = match engine {
            Some(engine) => engine,
            None => open_engine(&config)?,
        };
        check_promises(&config, wal.as_ref(), engine.as_ref(), &identity)?;
        let history = Arc::new(NodeHistory::default());
        let hub = Hub::new(config.watch_limits, Arc::clone(&history) as _);
        let shared = Arc::new(Shared::new(Parts {
            config,
            identity: Arc::new(identity),
            initial,
            machines,
            clock,
            rng,
            disk,
            replays: wal.is_durable() && !engine.is_durable(),
            engine,
            wal: wal.reader(),
            hub,
            lock,
        }));
        history.set(&shared);
        Ok(Prepared { shared, wal, network })
    }
}

/// A node that does not run yet.
pub(super) struct Prepared {
    pub(super) shared: Arc<Shared>,
    pub(super) wal: Box<dyn Log>,
    pub(super) network: Arc<dyn Network>,
}

/// A node of this process, with an address that nobody reads.
fn member(name: String) -> (String, String) {
    let address = format!("memory:{name}");
    (name, address)
}

fn listen(config: &NodeConfig) -> Result<Arc<dyn Network>, Error> {
    let listener = TcpListener::bind(&config.listen_peer).map_err(|source| Error::Io {
        what: format!("the peer address {} cannot be listened on", config.listen_peer),
        source,
    })?;
    Ok(Arc::new(GrpcNetwork::new(listener, config.peer_tls.clone())))
}

/// A log has a file from the first start on, long before the node knows its cluster. Without one a
/// node that once voted would start as one that never did.
fn check_log_is_there(
    config: &NodeConfig,
    disk: &dyn Disk,
    identity: &Identity,
) -> Result<(), Error> {
    let log = config.data_dir.join("log");
    let is_there = disk.exists(&log) && disk.list(&log).is_ok_and(|files| !files.is_empty());
    if is_there || identity.cluster().is_none() {
        return Ok(());
    }
    Err(Error::PromisesGone { directory: config.data_dir.clone() })
}

pub(crate) fn open_log(
    config: &NodeConfig,
    disk: &Arc<dyn Disk>,
    rng: &dyn Rng,
) -> Result<Box<dyn Log>, Error> {
    let wal_config = WalConfig {
        segment_bytes: config.log_segment_bytes,
        reclaim_bytes: config.log_bytes,
        salt: rng.next_u64(),
        ..WalConfig::default()
    };
    let (wal, _) = Wal::open(Arc::clone(disk), &config.data_dir.join("log"), wal_config)?;
    Ok(Box::new(wal))
}

/// A log that forgets goes with an engine that forgets, and with a node that is started once.
fn check_promises(
    config: &NodeConfig,
    log: &dyn Log,
    engine: &dyn Engine,
    identity: &Identity,
) -> Result<(), Error> {
    if log.is_durable() || (!engine.is_durable() && identity.cluster().is_none()) {
        return Ok(());
    }
    Err(Error::Forgetful { directory: config.data_dir.clone() })
}

pub(crate) fn open_engine(config: &NodeConfig) -> Result<Arc<dyn Engine>, Error> {
    Ok(match config.engine {
        EngineKind::Memory => Arc::new(MemoryEngine::new()),
        EngineKind::Disk => {
            let options = DiskOptions {
                memory_bytes: config.engine_memory_bytes,
                family: state::keys::version_prefix,
                resident_from: Some(state::keys::RESIDENT_FROM),
                ..DiskOptions::default()
            };
            Arc::new(DiskEngine::open(&config.data_dir.join("state"), options)?)
        }
    })
}
