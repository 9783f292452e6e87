//! Putting a node together, and taking it down again.

mod builder;
mod joining;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use env::{Joined, Spawn, ThreadSpawn};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use state::command::Command;
use state::directory::Phase;
use state::response::Response;
use storage::log::Log;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use types::{Fault, NodeId, RegionId};

pub use self::builder::NodeBuilder;
use self::builder::Prepared;
pub(crate) use self::builder::{open_engine, open_log};
use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::flight::{self, Event};
use crate::handle::Handle;
use crate::inbox::NodeInbox;
use crate::network::{Connected, Joining, Network};
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::snapshots::Receiver;
use crate::transport::{Admission, Applicant, PeerHello, Welcome};
use crate::{
    Error, applier, auth, canary, compaction, forward, hot, janitor, levels, lifecycle, membership,
    poller, sharded, snapshots, space, strain, writer,
};

/// How long an orderly stop waits for another node to take over what this one leads.
const HAND_OVER: Duration = Duration::from_secs(3);
/// Regions given away at once while the node goes on serving.
const HAND_OVERS_AT_ONCE: usize = 32;
/// Threads of the links to other nodes.
const LINK_THREADS: usize = 2;

/// A running node. Dropping it stops it in the background, in the same order as
/// [`Node::shutdown`].
///
/// The data directory is free for another start once every [`Handle`] is dropped, too.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    running: Mutex<Option<Running>>,
}

/// What has to be ended in order.
struct Running {
    flight: Option<Joined>,
    pollers: Vec<Joined>,
    writer: Option<Joined>,
    appliers: Vec<Joined>,
    /// Links have threads of their own: requests that keep the program's threads busy, or wait in
    /// them for the engine, must not keep heartbeats from leaving and arriving.
    links: Runtime,
}

impl Node {
    /// Starts a node over the data directory in `config` and waits until it takes part in its
    /// cluster: for a new cluster, until enough of its nodes are there.
    ///
    /// Must be called on a tokio runtime with several threads.
    ///
    /// # Errors
    /// When the directory, the log, the engine or the port cannot be used, and when the cluster does
    /// not take this node. What was started is stopped again then.
    pub async fn start(config: NodeConfig) -> Result<Self, Error> {
        NodeBuilder::from(config).start().await
    }

    async fn run(Prepared { shared, wal, network }: Prepared) -> Result<Self, Error> {
        let links = Builder::new_multi_thread()
            .worker_threads(LINK_THREADS)
            .thread_name("links")
            .enable_all()
            .build()
            .map_err(|source| Error::Io { what: "threads cannot be started".into(), source })?;
        let (pollers, appliers) = (Vec::new(), Vec::new());
        let running = Running { flight: None, pollers, writer: None, appliers, links };
        let running = Mutex::new(Some(running));
        let mut node = Self { shared, tasks: Vec::new(), running };
        match node.start_parts(wal, network).await {
            Ok(()) => Ok(node),
            Err(error) => {
                node.shutdown().await;
                Err(error)
            }
        }
    }

    async fn start_parts(
        &mut self,
        wal: Box<dyn Log>,
        network: Arc<dyn Network>,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let Some(running) = self.running.get_mut() else { return Ok(()) };
        start_threads(shared, running, wal)?;
        let loading = Arc::clone(shared);
        let loaded = spawn_blocking(move || start_regions(&loading)).await;
        loaded.unwrap_or_else(|gone| Err(Error::Thread(gone.to_string())))?;
        let connected = running.links.spawn(connect(Arc::clone(shared), network)).await;
        connected.unwrap_or_else(|gone| Err(Error::Thread(gone.to_string())))?;
        let is_new = start_meta_if_new(shared)?;
        self.tasks = vec![
            tokio::spawn(space::watch(Arc::clone(shared))),
            tokio::spawn(strain::watch(Arc::clone(shared))),
            tokio::spawn(janitor::expire_leases(Arc::clone(shared))),
            tokio::spawn(janitor::cut_logs(Arc::clone(shared))),
            tokio::spawn(compaction::keep(Arc::clone(shared))),
            tokio::spawn(compaction::sweep(Arc::clone(shared))),
            tokio::spawn(janitor::register(Arc::clone(shared))),
            tokio::spawn(janitor::follow_members(Arc::clone(shared))),
            tokio::spawn(levels::raise(Arc::clone(shared), is_new)),
            tokio::spawn(membership::drive(Arc::clone(shared))),
            tokio::spawn(hot::watch(Arc::clone(shared))),
            tokio::spawn(sharded::drive(Arc::clone(shared))),
            tokio::spawn(sharded::report(Arc::clone(shared))),
            tokio::spawn(sharded::place(Arc::clone(shared))),
            tokio::spawn(auth::confirm_at_start(Arc::clone(shared))),
            tokio::spawn(crate::registry::mirrors::keep(Arc::clone(shared))),
            tokio::spawn(canary::keep(Arc::clone(shared))),
            tokio::spawn(auth::acl_at_start(Arc::clone(shared))),
            tokio::spawn(auth::tell_of_ends(Arc::clone(shared))),
        ];
        Ok(())
    }

    /// The door to the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Gives every region this node leads to another node, as far as one can take over in time.
    pub async fn hand_over(&self) {
        self.shared.live.health.set_stopping();
        let shards = self.shared.shards();
        let leading = shards.values().filter(|shard| shard.leadership().here);
        // Better to one that is strained than to nobody.
        let all = join_all(leading.map(|shard| async {
            let is_well = |node| strain::is_well(&self.shared.live.liveness.lock(), node);
            if !hand_over(&self.shared, shard, is_well).await {
                hand_over(&self.shared, shard, |_| true).await;
            }
        }));
        drop(tokio::time::timeout(HAND_OVER, all).await);
    }

    /// Ends every watch, so that their streams do not keep the front doors open.
    pub fn end_watches(&self) {
        self.shared.door.close();
        self.shared.hub.shutdown();
        for shard in self.shared.shards().values() {
            if let Some(registry) = &shard.registry {
                registry.waits.close();
            }
        }
    }

    /// Stops in order: ends watches, answers what is under way, and leaves
    /// the log and the engine durable.
    pub async fn shutdown(mut self) {
        self.shared.hub.shutdown();
        for task in &self.tasks {
            task.abort();
        }
        for task in std::mem::take(&mut self.tasks) {
            // It was told to end, and so it does not end well.
            drop(task.await);
        }
        let running = self.running.get_mut().take();
        if let Some(running) = running {
            let shared = Arc::clone(&self.shared);
            drop(spawn_blocking(move || stop(&shared, running)).await);
        }
        tracing::info!("stopped");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(running) = self.running.get_mut().take() else { return };
        self.shared.hub.shutdown();
        for task in &self.tasks {
            task.abort();
        }
        let shared = Arc::clone(&self.shared);
        // Nobody waits for it; if there is no thread to be had, the process is about to end.
        drop(std::thread::Builder::new().spawn(move || stop(&shared, running)));
    }
}

fn start_threads(
    shared: &Arc<Shared>,
    running: &mut Running,
    wal: Box<dyn Log>,
) -> Result<(), Error> {
    shared.flight.note(Event::Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: shared.config.name.clone(),
        node: shared.node().get(),
        pid: std::process::id(),
    });
    let own = Arc::clone(shared);
    // Without a guard: a node that goes on without its recorder is as good as ever.
    let recording = ThreadSpawn.spawn("flight", Box::new(move || flight::run(&own)));
    running.flight = Some(recording.map_err(|source| Error::Io {
        what: "the flight recorder's thread cannot be started".into(),
        source,
    })?);
    for _ in 0..shared.config.appliers.max(1) {
        running.appliers.push(applier::run(shared)?);
    }
    for slot in 0..shared.pollers.len() {
        let own = Arc::clone(shared);
        let work = move || poller::run(&own, slot);
        running.pollers.push(spawn_guarded(shared, format!("poller-{slot}"), work)?);
    }
    let own = Arc::clone(shared);
    let work = move || writer::run(&own, wal);
    running.writer = Some(spawn_guarded(shared, "log-writer".into(), work)?);
    Ok(())
}

/// Starts a thread whose panic stops the node.
pub(crate) fn spawn_guarded(
    shared: &Arc<Shared>,
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<Joined, Error> {
    let guard = ThreadGuard { shared: Arc::clone(shared), name: name.clone() };
    let guarded = Box::new(move || {
        let _guard = guard;
        work();
    });
    ThreadSpawn
        .spawn(&name, guarded)
        .map_err(|source| Error::Io { what: format!("thread {name} cannot be started"), source })
}

/// Stops the node when one of its threads dies by a panic: a node that goes on without its log
/// writer or an applier would only seem to be alive.
struct ThreadGuard {
    shared: Arc<Shared>,
    name: String,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = &self.name;
            let reason = format!("thread {name} panicked; this is a bug, please report it");
            self.shared.fail(Failure::bug(reason));
        }
    }
}

/// Pollers first, so that nothing new is asked; then what they left to be written and applied; the
/// links last, so that the last words leave. Blocks.
fn stop(shared: &Shared, running: Running) {
    for mailbox in &shared.pollers {
        mailbox.push(ToPoller::Stop);
    }
    for poller in running.pollers {
        poller();
    }
    shared.writer.close();
    if let Some(writer) = running.writer {
        writer();
    }
    shared.apply.close();
    let relief = std::mem::take(&mut *shared.relief.lock());
    for applier in running.appliers.into_iter().chain(relief) {
        applier();
    }
    shared.end();
    shared.config.audit.stop(shared.clock.wall_millis());
    if shared.failed().is_none()
        && let Err(error) = shared.engine.persist()
    {
        tracing::error!(%error, "the engine could not be made durable at the end");
    }
    for shard in shared.shards().values() {
        // It may hold a view of the engine.
        drop(shard.exported.lock().take());
    }
    if let Some(net) = shared.net.get() {
        running.links.block_on(Arc::clone(net).shutdown());
    }
    running.links.shutdown_timeout(Duration::from_secs(1));
    shared.flight.note(Event::Stop { reason: shared.failed().unwrap_or("it was told to".into()) });
    shared.flight.end();
    if let Some(flight) = running.flight {
        flight();
    }
}

/// The regions that are on the disk. Scans their records.
fn start_regions(shared: &Arc<Shared>) -> Result<(), Error> {
    snapshots::finish_installs(shared)?;
    lifecycle::start_stored(shared)?;
    snapshots::clean(shared)
        .map_err(|source| Error::Io { what: "old snapshots cannot be removed".into(), source })
}

/// A node that never ran starts the meta region once its peers agreed that it may.
/// Answers whether the cluster is as new as this run of the node, which forms it with others.
fn start_meta_if_new(shared: &Arc<Shared>) -> Result<bool, Error> {
    if shared.shard(RegionId::META).is_some() {
        return Ok(false);
    }
    lifecycle::start_region(shared, lifecycle::first_meta_record(shared), None)?;
    // One that was let in is new, and what it was let into is not.
    Ok(!shared.identity.has_joined())
}

async fn connect(shared: Arc<Shared>, network: Arc<dyn Network>) -> Result<(), Error> {
    let directory = shared.directory();
    let peers = if directory.nodes.is_empty() {
        shared.first_peers()
    } else {
        let there = directory.nodes.values().filter(|node| node.phase != Phase::Joining);
        there.map(|node| (node.id, node.peer_address.clone())).collect()
    };
    let connected = network.connect(Joining {
        identity: Arc::clone(&shared.identity),
        initial: shared.initial.clone(),
        quorum: shared.config.quorum_count,
        peers,
        peer_address: shared.config.advertise_peer.clone(),
        client_address: shared.config.advertise_client.clone(),
        level: shared.config.level,
        rng: Arc::clone(&shared.rng),
        admission: Arc::new(DirectoryAdmission(Arc::clone(&shared))),
        inbox: Arc::new(NodeInbox(Arc::clone(&shared))),
        snapshots: Arc::new(Receiver(Arc::clone(&shared))),
    });
    let Connected { carrier, may_take_part } = connected.await?;
    drop(shared.net.set(carrier));
    may_take_part.await
}

/// Lets in who the directory knows.
struct DirectoryAdmission(Arc<Shared>);

impl Admission for DirectoryAdmission {
    fn admit(&self, hello: &PeerHello) -> Result<(), Fault> {
        let directory = self.0.directory();
        if directory.cluster.is_none() {
            return Ok(());
        }
        if directory.removed.contains(&hello.node) {
            let text = format!("{hello} was removed from this cluster");
            return Err(Fault::new(types::Code::MemberRemoved, text));
        }
        let known = directory.nodes.get(&hello.node);
        match known.filter(|known| known.phase != Phase::Joining) {
            Some(known) => {
                hello.check_identity(known.identity)?;
                directory.admits(&hello.name, hello.level)
            }
            None => Err(Fault::new(
                types::Code::MemberNotFound,
                format!("{hello} is not a member of this cluster"),
            )),
        }
    }

    fn introduce(&self, applicant: Applicant) -> BoxFuture<'static, Result<Welcome, Fault>> {
        introduce(Arc::clone(&self.0), applicant).boxed()
    }

    fn dismissed(&self, why: &Fault) {
        membership::told_dismissed(&self.0, why);
    }
}

/// A node that was added has come: the directory takes note of it.
async fn introduce(shared: Arc<Shared>, applicant: Applicant) -> Result<Welcome, Fault> {
    let meta = shared.shard(RegionId::META).ok_or(types::Code::NoLeader)?;
    let Applicant { identity, name, peer_address, client_address, level } = applicant;
    // It asks again and again: nothing goes into the log for somebody whom nobody added. Where this node does
    // not know of that yet, the next question finds it.
    if !shared.directory().nodes.values().any(|it| it.peer_address == peer_address) {
        let detail = format!("no member was added with the peer address {peer_address}");
        return Err(Fault::new(types::Code::MemberNotFound, detail));
    }
    shared.directory().admits(&name, level)?;
    let command = Command::IntroduceNode { peer_address, identity, name, client_address };
    let applied = forward::propose(&shared, &meta, command).await?;
    let Response::Node(node) = applied.outcome.result? else {
        return Err(Fault::new(types::Code::Internal, "a node was asked for"));
    };
    // What was applied is told to others a moment later than to who waits for it.
    let machine = meta.machine.read();
    let directory = machine.directory().ok_or(types::Code::NoLeader)?;
    // It may have been raised on the way.
    directory.admits(&node.name, level)?;
    let members = directory.nodes.values();
    let members = members.filter(|it| it.phase == Phase::Member && it.id != node.id);
    Ok(Welcome {
        node: node.id,
        cluster: directory.cluster.ok_or(types::Code::NoLeader)?,
        members: members.map(|it| (it.id, it.peer_address.clone())).collect(),
    })
}

/// Gives the regions this node leads to nodes that have room for writes, where there are such.
pub(crate) async fn hand_over_to_room(shared: &Arc<Shared>) {
    let shards = shared.shards();
    let leading = shards.values().filter(|shard| shard.leadership().here);
    let has_room = |node| !shared.live.liveness.lock().is_read_only(node);
    let all = stream::iter(leading).for_each_concurrent(HAND_OVERS_AT_ONCE, |shard| async move {
        hand_over(shared, shard, has_room).await;
    });
    drop(tokio::time::timeout(HAND_OVER, all).await);
}

/// Gives the regions this node leads to nodes that nothing strains, where there are such; answers how many.
pub(crate) async fn hand_over_to_well(shared: &Arc<Shared>) -> usize {
    let shards = shared.shards();
    let leading = shards.values().filter(|shard| shard.leadership().here);
    let given = AtomicUsize::new(0);
    let all = stream::iter(leading).for_each_concurrent(HAND_OVERS_AT_ONCE, |shard| {
        let given = &given;
        async move {
            let is_well = |node| strain::is_well(&shared.live.liveness.lock(), node);
            if hand_over(shared, shard, is_well).await {
                given.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    drop(tokio::time::timeout(HAND_OVER, all).await);
    given.into_inner()
}

/// Gives a region this node leads to another replica that is up to date, on a node that will do. Answers
/// whether it is led elsewhere now.
async fn hand_over(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    will_do: impl Fn(NodeId) -> bool,
) -> bool {
    let region = shard.record.id;
    let (reply, status) = oneshot::channel();
    shared.poller(region).push(ToPoller::Status { region, reply });
    let Ok(Some(status)) = status.await else { return false };
    let candidates = status.peers.iter().filter_map(|peer| {
        let is_candidate = peer.peer != status.peer && !peer.learner;
        let node = peer.peer.node();
        // A leader that sleeps has forgotten whom it heard; all that were there then have everything.
        let is_there =
            peer.recent_active || (shard.is_asleep() && shared.live.liveness.lock().is_alive(node));
        (is_candidate && is_there && will_do(node)).then_some((peer.matched, node))
    });
    let node = candidates.max_by_key(|(matched, _)| *matched).map(|(_, node)| node);
    let Some(to) = node else { return false };
    let (reply, transferred) = oneshot::channel();
    shared.poller(region).push(ToPoller::Transfer { region, to, reply });
    if let Ok(Ok(())) = transferred.await {
        drop(shard.watch_leadership().wait_for(|now| !now.here).await);
    }
    !shard.leadership().here
}
