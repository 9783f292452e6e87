//! Putting a node together, and taking it down again.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use env::{Clock, Disk, Joined, MonotonicClock, OsRandom, RealDisk, Rng, Spawn, ThreadSpawn};
use state::directory::RegionRecord;
use storage::engine::{Engine, FjallEngine, FjallOptions, MemoryEngine};
use storage::wal::{RegionLog, Wal, WalConfig};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use types::{Fault, RegionId};

use crate::config::{EngineKind, NodeConfig};
use crate::handle::Handle;
use crate::history::NodeHistory;
use crate::identity::{DirectoryLock, Identity, InitialCluster};
use crate::inbox::NodeInbox;
use crate::poller::ToPoller;
use crate::shared::{Parts, Shared};
use crate::snapshots::Receiver;
use crate::transport::{
    Admission, Carrier, Limits, PeerHello, Transport, TransportConfig, wait_for_quorum,
};
use crate::watch::Hub;
use crate::{Error, applier, janitor, lifecycle, poller, snapshots, writer};

/// How long an orderly stop waits for another node to take over what this one leads.
const HAND_OVER: Duration = Duration::from_secs(3);

/// A running node. Dropping it without [`Node::shutdown`] leaves its threads to the end of the
/// process.
pub struct Node {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    threads: Threads,
    _lock: DirectoryLock,
}

#[derive(Default)]
struct Threads {
    pollers: Vec<Joined>,
    writer: Option<Joined>,
    appliers: Vec<Joined>,
}

impl Node {
    /// Starts a node over the data directory in `config` and waits until it takes part in its
    /// cluster: for a new cluster, until enough of its nodes are there.
    ///
    /// Must be called on a tokio runtime with several threads.
    ///
    /// # Errors
    /// When the directory, the log, the engine or the port cannot be used, and when the cluster does
    /// not take this node.
    pub async fn start(config: NodeConfig) -> Result<Self, Error> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let rng: Arc<dyn Rng> = Arc::new(OsRandom);
        let clock: Arc<dyn Clock> = Arc::new(MonotonicClock::default());
        let lock = DirectoryLock::acquire(&config.data_dir)?;
        let initial = InitialCluster::new(config.initial_cluster.clone())?;
        let identity = Identity::load_or_create(
            Arc::clone(&disk),
            &config.data_dir,
            &initial,
            &config.name,
            rng.as_ref(),
        )?;
        let listener = TcpListener::bind(&config.listen_peer).map_err(|source| Error::Io {
            what: format!("the peer address {} cannot be listened on", config.listen_peer),
            source,
        })?;
        let wal_config = WalConfig {
            segment_bytes: config.log_segment_bytes,
            salt: rng.next_u64(),
            ..WalConfig::default()
        };
        let (wal, logs) = Wal::open(Arc::clone(&disk), &config.data_dir.join("log"), wal_config)?;
        let engine = open_engine(&config)?;
        let history = Arc::new(NodeHistory::default());
        let hub = Hub::new(config.watch_limits, Arc::clone(&history) as _);
        let shared = Arc::new(Shared::new(Parts {
            config,
            identity: Arc::new(identity),
            initial,
            clock,
            rng,
            disk,
            engine,
            wal: wal.reader(),
            hub,
        }));
        history.set(&shared);
        let threads = start_threads(&shared, wal)?;
        start_regions(&shared, &logs)?;
        connect(&shared, listener).await?;
        start_meta_if_new(&shared)?;
        let tasks = vec![
            tokio::spawn(janitor::expire_leases(Arc::clone(&shared))),
            tokio::spawn(janitor::cut_logs(Arc::clone(&shared))),
            tokio::spawn(janitor::register(Arc::clone(&shared))),
            tokio::spawn(janitor::follow_members(Arc::clone(&shared))),
        ];
        Ok(Self { shared, tasks, threads, _lock: lock })
    }

    /// The door to the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Gives every region this node leads to another node, as far as one can take over in time.
    pub async fn hand_over(&self) {
        drop(tokio::time::timeout(HAND_OVER, hand_over(&self.shared)).await);
    }

    /// Ends every watch, so that their streams do not keep the front doors open.
    pub fn end_watches(&self) {
        self.shared.hub.shutdown();
    }

    /// Stops in order: ends watches, answers what is under way, and leaves
    /// the log and the engine durable.
    pub async fn shutdown(mut self) {
        self.shared.hub.shutdown();
        for task in &self.tasks {
            task.abort();
        }
        let threads = std::mem::take(&mut self.threads);
        let shared = Arc::clone(&self.shared);
        drop(tokio::task::spawn_blocking(move || stop_threads(&shared, threads)).await);
        if let Some(net) = self.shared.net.get() {
            Arc::clone(net).shutdown().await;
        }
        tracing::info!("stopped");
    }
}

fn open_engine(config: &NodeConfig) -> Result<Arc<dyn Engine>, Error> {
    Ok(match config.engine {
        EngineKind::Memory => Arc::new(MemoryEngine::new()),
        EngineKind::Fjall => {
            let options = FjallOptions {
                memory_bytes: config.engine_memory_bytes,
                ..FjallOptions::default()
            };
            Arc::new(FjallEngine::open(&config.data_dir.join("state"), options)?)
        }
    })
}

fn start_threads(shared: &Arc<Shared>, wal: Wal) -> Result<Threads, Error> {
    let spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
        let guard = ThreadGuard { shared: Arc::clone(shared), name: name.clone() };
        let guarded = Box::new(move || {
            let guard = guard;
            work();
            std::mem::forget(guard);
        });
        ThreadSpawn.spawn(&name, guarded).map_err(|source| Error::Io {
            what: format!("thread {name} cannot be started"),
            source,
        })
    };
    let mut threads = Threads::default();
    for slot in 0..shared.appliers.len() {
        let own = Arc::clone(shared);
        let work = Box::new(move || applier::run(&own, slot));
        threads.appliers.push(spawn(format!("applier-{slot}"), work)?);
    }
    for slot in 0..shared.pollers.len() {
        let own = Arc::clone(shared);
        let work = Box::new(move || poller::run(&own, slot));
        threads.pollers.push(spawn(format!("poller-{slot}"), work)?);
    }
    let own = Arc::clone(shared);
    threads.writer = Some(spawn("log-writer".into(), Box::new(move || writer::run(&own, wal)))?);
    Ok(threads)
}

/// Stops the node when one of its threads dies by a panic: a node that goes on without its log
/// writer or an applier would only seem to be alive.
struct ThreadGuard {
    shared: Arc<Shared>,
    name: String,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        self.shared.fail(format!("thread {} panicked; this is a bug, please report it", self.name));
    }
}

/// Pollers first, so that nothing new is asked; then what they left to be written and applied.
fn stop_threads(shared: &Shared, threads: Threads) {
    for mailbox in &shared.pollers {
        mailbox.push(ToPoller::Stop);
    }
    for poller in threads.pollers {
        poller();
    }
    shared.writer.close();
    if let Some(writer) = threads.writer {
        writer();
    }
    for mailbox in &shared.appliers {
        mailbox.close();
    }
    for applier in threads.appliers {
        applier();
    }
    if shared.failed().is_none()
        && let Err(error) = shared.engine.persist()
    {
        tracing::error!(%error, "the engine could not be made durable at the end");
    }
}

/// The regions that are on the disk.
fn start_regions(shared: &Arc<Shared>, logs: &BTreeMap<RegionId, RegionLog>) -> Result<(), Error> {
    if let Some(log) = logs.get(&RegionId::META) {
        lifecycle::start_region(shared, lifecycle::stored_meta_record(shared)?, Some(log))?;
    }
    let directory = shared.directory();
    let records: Vec<RegionRecord> = directory
        .regions
        .values()
        .filter(|record| record.id != RegionId::META && lifecycle::lives_here(shared, record))
        .cloned()
        .collect();
    for record in records {
        let log = logs.get(&record.id);
        lifecycle::start_region(shared, record, log)?;
    }
    snapshots::clean(shared)
        .map_err(|source| Error::Io { what: "old snapshots cannot be removed".into(), source })
}

/// A node that never ran starts the meta region once its peers agreed that it may.
fn start_meta_if_new(shared: &Arc<Shared>) -> Result<(), Error> {
    if shared.shard(RegionId::META).is_some() {
        return Ok(());
    }
    lifecycle::start_region(shared, lifecycle::initial_meta_record(shared), None)
}

async fn connect(shared: &Arc<Shared>, listener: TcpListener) -> Result<(), Error> {
    let directory = shared.directory();
    let peers = if directory.nodes.is_empty() {
        shared.initial.peers()
    } else {
        directory.nodes.values().map(|node| (node.id, node.peer_address.clone())).collect()
    };
    let transport = Transport::start(
        TransportConfig {
            identity: Arc::clone(&shared.identity),
            listener,
            peer_address: shared.config.advertise_peer.clone(),
            client_address: shared.config.advertise_client.clone(),
            peers,
            limits: Limits::default(),
            rng: Arc::clone(&shared.rng),
        },
        Arc::new(DirectoryAdmission(Arc::clone(shared))),
        Arc::new(NodeInbox(Arc::clone(shared))),
        Arc::new(Receiver(Arc::clone(shared))),
    )
    .await?;
    drop(shared.net.set(Arc::clone(&transport) as Arc<dyn Carrier>));
    let start = wait_for_quorum(&transport, &shared.initial, shared.config.quorum_count).await?;
    tracing::info!(?start, node = %shared.node(), "taking part");
    Ok(())
}

/// Lets in who the directory knows.
struct DirectoryAdmission(Arc<Shared>);

impl Admission for DirectoryAdmission {
    fn admit(&self, hello: &PeerHello) -> Result<(), Fault> {
        let directory = self.0.directory();
        if directory.cluster.is_none() {
            return Ok(());
        }
        match directory.nodes.get(&hello.node) {
            Some(known) => hello.check_identity(known.identity),
            None => Err(Fault::new(
                types::Code::MemberNotFound,
                format!("{hello} is not a member of this cluster"),
            )),
        }
    }
}

/// Gives every region this node leads to another replica that is up to date.
async fn hand_over(shared: &Arc<Shared>) {
    for shard in shared.shards().values().filter(|shard| shard.leadership().here) {
        let region = shard.record.id;
        let (reply, status) = oneshot::channel();
        shared.poller(region).push(ToPoller::Status { region, reply });
        let Ok(status) = status.await else { continue };
        let best = status
            .peers
            .iter()
            .filter(|peer| peer.peer != status.peer && peer.recent_active && !peer.learner)
            .max_by_key(|peer| peer.matched);
        let node = best.and_then(|best| {
            shard.record.peers.iter().find(|(peer, _)| *peer == best.peer).map(|(_, node)| *node)
        });
        let Some(to) = node else { continue };
        let (reply, transferred) = oneshot::channel();
        shared.poller(region).push(ToPoller::Transfer { region, to, reply });
        if let Ok(Ok(())) = transferred.await {
            drop(shard.watch_leadership().wait_for(|now| !now.here).await);
        }
    }
}
