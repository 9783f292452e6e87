//! What every thread of a node shares.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use env::{Clock, Disk, Joined, Refused, Rng};
use parking_lot::{Mutex, RwLock};
use region::PeerStart;
use state::directory::{Directory, KeyspaceRecord};
use storage::engine::Engine;
use storage::log::LogReader;
use tokio::sync::{Semaphore, oneshot, watch};
use types::{Code, Entry, Fault, Incarnation, Index, KeyspaceId, NodeId, RegionId, Term};

use crate::applier::{Queues, RegionQueue};
use crate::auth::{Authorizers, Gate, Passwords, Tokens, Words};
use crate::compaction::Due;
use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::flight::{Event, Flight};
use crate::frame::Frames;
use crate::front_door::FrontDoor;
use crate::group::Groups;
use crate::handle::FROZEN;
use crate::identity::{DirectoryLock, Identity, InitialCluster};
use crate::lease::Deadlines;
use crate::live::Live;
use crate::machines::Machines;
use crate::mailbox::Mailbox;
use crate::meters::Meters;
use crate::poller::ToPoller;
use crate::rarely::Rarely;
use crate::registry::{self, PartsKnown};
use crate::shard::Shard;
use crate::sharded::Sharding;
use crate::space::Space;
use crate::strain::Gauge;
use crate::traffic::Lane;
use crate::transport::Carrier;
use crate::watch::Hub;
use crate::writer::ToWriter;

/// Requests of clients that wait for a poller, over all regions: reaching it is answered with
/// `TooManyRequests`.
const CLIENT_REQUESTS: usize = 16_384;
/// The same for the bytes of their commands.
const CLIENT_BYTES: usize = 256 << 20;
/// Questions to other nodes that wait for an answer; the next is `TooManyRequests`.
const QUESTIONS: usize = 32_768;
/// Bytes of Raft messages from other nodes that wait for a poller. Beyond it they are dropped, which
/// Raft is made for.
const RAFT_BYTES: usize = 256 << 20;
/// The same for what must not be dropped because of the others: heartbeats, votes, their answers.
const URGENT_BYTES: usize = 32 << 20;
/// Renewals of leases that wait, apart from all other requests (feature C10).
const RENEWALS: usize = 16_384;

pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Arc<Identity>,
    pub(crate) initial: InitialCluster,
    pub(crate) incarnation: Incarnation,
    pub(crate) machines: Machines,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) wal: Arc<dyn LogReader>,
    /// Whether the engine forgets at the end, and the log does not: then that is all there is.
    pub(crate) replays: bool,
    pub(crate) hub: Arc<Hub>,
    /// The room on the disk.
    pub(crate) space: Space,
    pub(crate) flight: Flight,
    pub(crate) door: FrontDoor,
    pub(crate) meters: Meters,
    /// What strains this node.
    pub(crate) gauge: Gauge,
    rarely: Rarely,
    pub(crate) pollers: Vec<Mailbox<ToPoller>>,
    pub(crate) apply: Queues,
    /// Apply threads that were started for slow keyspaces.
    pub(crate) relief: Mutex<Vec<Joined>>,
    pub(crate) writer: Mailbox<ToWriter>,
    pub(crate) net: OnceLock<Arc<dyn Carrier>>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) live: Live,
    pub(crate) deadlines: Deadlines,
    /// Keyspaces with much to be removed from the engine.
    pub(crate) sweeps: Due,
    /// Bounds the keyspaces that are frozen at once.
    pub(crate) frozen: Arc<Semaphore>,
    pub(crate) auth: Gate,
    pub(crate) authorizers: Authorizers,
    /// The secret of the token of those that bring none; at the start that of the settings.
    pub(crate) default_token: Mutex<Option<Box<str>>>,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    pub(crate) words: Words,
    pub(crate) sharding: Sharding,
    registry_parts: PartsKnown,
    pub(crate) groups: Groups,
    /// Snapshots that wait to be put in place, or are.
    pub(crate) installs: Arc<AtomicUsize>,
    shards: RwLock<Arc<BTreeMap<RegionId, Arc<Shard>>>>,
    directory: watch::Sender<Arc<Directory>>,
    client_requests: AtomicUsize,
    client_bytes: AtomicUsize,
    renewals: AtomicUsize,
    raft_bytes: AtomicUsize,
    urgent_bytes: AtomicUsize,
    questions: Mutex<Questions>,
    fatal: watch::Sender<Option<Failure>>,
    /// Whether requests are answered no longer: the node failed, or has stopped.
    ended: watch::Sender<bool>,
    /// Kept until the last thread has let go of the files.
    _lock: DirectoryLock,
}

/// Questions put to other nodes that have no answer yet.
#[derive(Default)]
struct Questions {
    last: u64,
    open: BTreeMap<u64, (NodeId, oneshot::Sender<Result<Bytes, Fault>>)>,
}

/// What a node is built of before its threads start.
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Arc<Identity>,
    pub(crate) initial: InitialCluster,
    pub(crate) machines: Machines,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) wal: Arc<dyn LogReader>,
    pub(crate) replays: bool,
    pub(crate) hub: Arc<Hub>,
    pub(crate) lock: DirectoryLock,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let pollers =
            (0..parts.config.pollers.max(1)).map(|_| Mailbox::with_lanes(ToPoller::is_urgent));
        let pollers = pollers.collect();
        // Answers to questions of an earlier life of this node may still come.
        let questions = Questions { last: parts.rng.next_u64() >> 1, open: BTreeMap::new() };
        let space = Space::new(
            parts.config.data_dir.clone(),
            parts.config.disk_reserve_bytes,
            parts.config.log_segment_bytes,
            parts.config.memory_keyspaces_bytes,
        );
        let incarnation = Incarnation(parts.rng.next_u64());
        let flight = Flight::new(Arc::clone(&parts.clock));
        let gauge = Gauge::new(parts.config.election_timeout());
        Self {
            live: Live::new(&parts.config, incarnation, parts.clock.now()),
            auth: Gate::new(parts.config.election_timeout(), parts.config.acl.enable == Some(true)),
            authorizers: Authorizers::default(),
            default_token: Mutex::new(parts.config.acl.default_token()),
            tokens: Tokens::new(parts.config.auth_token_life),
            passwords: Passwords::new(&parts.rng),
            words: Words::new(parts.rng.as_ref()),
            incarnation,
            config: parts.config,
            identity: parts.identity,
            initial: parts.initial,
            machines: parts.machines,
            clock: parts.clock,
            rng: parts.rng,
            disk: parts.disk,
            engine: parts.engine,
            wal: parts.wal,
            replays: parts.replays,
            hub: parts.hub,
            space,
            flight,
            door: FrontDoor::default(),
            meters: Meters::default(),
            gauge,
            deadlines: Deadlines::default(),
            rarely: Rarely::default(),
            pollers,
            apply: Queues::default(),
            relief: Mutex::default(),
            writer: Mailbox::default(),
            net: OnceLock::new(),
            runtime: tokio::runtime::Handle::current(),
            sweeps: Due::default(),
            frozen: Arc::new(Semaphore::new(FROZEN)),
            registry_parts: PartsKnown::default(),
            groups: Groups::default(),
            installs: Arc::default(),
            sharding: Sharding::default(),
            shards: RwLock::default(),
            directory: watch::Sender::new(Arc::default()),
            client_requests: AtomicUsize::new(0),
            client_bytes: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
            raft_bytes: AtomicUsize::new(0),
            urgent_bytes: AtomicUsize::new(0),
            questions: Mutex::new(questions),
            fatal: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            _lock: parts.lock,
        }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.identity.node()
    }

    /// The other nodes as far as they are known without the directory.
    pub(crate) fn first_peers(&self) -> Vec<(NodeId, String)> {
        match self.identity.has_joined() {
            true => self.identity.members().to_vec(),
            false => self.initial.peers(),
        }
    }

    pub(crate) fn poller(&self, region: RegionId) -> &Mailbox<ToPoller> {
        &self.pollers[slot(region, self.pollers.len())]
    }

    pub(crate) fn applier(&self, region: RegionId) -> RegionQueue<'_> {
        self.apply.of(region)
    }

    /// Counts a client's request in; the poller counts it out.
    pub(crate) fn admit(&self) -> Result<(), Code> {
        if self.client_requests.fetch_add(1, Ordering::Relaxed) >= CLIENT_REQUESTS {
            self.client_requests.fetch_sub(1, Ordering::Relaxed);
            return Err(Code::TooManyRequests);
        }
        Ok(())
    }

    /// Whether to log something now that may come again and again, and how often it did not get there
    /// since the last time.
    pub(crate) fn say(&self, subject: &'static str) -> Option<u64> {
        self.rarely.say(self.clock.now(), subject)
    }

    /// Requests of clients that wait for a poller.
    pub(crate) fn waiting_requests(&self) -> u64 {
        self.client_requests.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn admitted(&self, count: usize) {
        self.client_requests.fetch_sub(count, Ordering::Relaxed);
    }

    /// [`Self::admit`] for a command of so many bytes.
    pub(crate) fn admit_bytes(&self, bytes: usize) -> Result<(), Code> {
        self.admit()?;
        if self.client_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > CLIENT_BYTES {
            self.admitted_bytes(bytes);
            return Err(Code::TooManyRequests);
        }
        Ok(())
    }

    pub(crate) fn admitted_bytes(&self, bytes: usize) {
        self.client_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.admitted(1);
    }

    /// [`Self::admit`] for the renewal of a lease: it has a bound of its own, so that no number of
    /// other requests makes leases end. To be counted out with [`Self::renewed`].
    pub(crate) fn admit_renewal(&self) -> Result<(), Code> {
        if self.renewals.fetch_add(1, Ordering::Relaxed) >= RENEWALS {
            self.renewed();
            return Err(Code::TooManyRequests);
        }
        Ok(())
    }

    pub(crate) fn renewed(&self) {
        self.renewals.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is room for a Raft message of so many bytes; the poller counts it out.
    pub(crate) fn take_raft(&self, lane: Lane, bytes: usize) -> bool {
        let (taken, bound) = self.raft_room(lane);
        let fits = taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= bound;
        if !fits {
            self.taken_raft(lane, bytes);
        }
        fits
    }

    pub(crate) fn taken_raft(&self, lane: Lane, bytes: usize) {
        self.raft_room(lane).0.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn raft_room(&self, lane: Lane) -> (&AtomicUsize, usize) {
        match lane {
            Lane::Urgent => (&self.urgent_bytes, URGENT_BYTES),
            Lane::Bulk => (&self.raft_bytes, RAFT_BYTES),
        }
    }

    pub(crate) fn shards(&self) -> Arc<BTreeMap<RegionId, Arc<Shard>>> {
        Arc::clone(&self.shards.read())
    }

    pub(crate) fn shard(&self, region: RegionId) -> Option<Arc<Shard>> {
        self.shards.read().get(&region).cloned()
    }

    pub(crate) fn add_shard(&self, shard: Arc<Shard>) {
        Arc::make_mut(&mut *self.shards.write()).insert(shard.record.id, shard);
    }

    pub(crate) fn remove_shard(&self, region: RegionId) {
        Arc::make_mut(&mut *self.shards.write()).remove(&region);
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.borrow())
    }

    /// Takes a look at the directory without taking hold of it.
    pub(crate) fn with_directory<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.directory.borrow())
    }

    /// Where the registry lies; `None` until it was made.
    pub(crate) fn registry_parts(&self) -> Option<Arc<registry::Parts>> {
        self.registry_parts.get(self.directory())
    }

    pub(crate) fn watch_directory(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.subscribe()
    }

    pub(crate) fn set_directory(&self, directory: Directory) {
        self.directory.send_replace(Arc::new(directory));
    }

    /// Whether a keyspace has any number of regions.
    pub(crate) fn is_sharded(&self, keyspace: KeyspaceId) -> bool {
        let directory = self.directory.borrow();
        directory.keyspaces.get(&keyspace).is_some_and(KeyspaceRecord::is_sharded)
    }

    /// The region of an ordered keyspace.
    pub(crate) fn keyspace_shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        let region = match self.directory.borrow().keyspaces.get(&keyspace) {
            Some(record) if record.is_sharded() => return Err(state::sharded::ordered_only()),
            Some(record) => record.region,
            None => return Err(Code::KeyspaceNotFound.into()),
        };
        // One that was added here has nothing to tell before the first snapshot is in place.
        self.shard(region).filter(|shard| shard.applied().get() > 0).ok_or_else(|| {
            Fault::new(Code::RegionNotFound, format!("region {region} is not on this node yet"))
        })
    }

    /// Sends frames; what cannot be sent is lost, and whoever waits for an answer is told.
    pub(crate) fn send(&self, frames: &mut Frames) {
        // A lost frame is Raft's daily bread; requests are retried by their deadline.
        let _ = self.try_send(frames);
    }

    /// [`Self::send`] for who wants to know.
    ///
    /// # Errors
    /// When at least one of the frames was not taken by its link.
    pub(crate) fn try_send(&self, frames: &mut Frames) -> Result<(), Refused> {
        let Some(net) = self.net.get() else {
            frames.clear();
            return Err(Refused);
        };
        let mut result = Ok(());
        for (to, frame) in frames.drain() {
            let (bytes, contents, lane) = (frame.bytes.len(), frame.contents, frame.lane);
            let sent = match lane {
                Lane::Urgent => net.send_urgent(to, frame.bytes.into()),
                Lane::Bulk => net.send(to, frame.bytes.into()),
            };
            self.live.traffic.sent(to, lane, contents, bytes, sent.is_ok());
            result = result.and(sent);
        }
        result
    }

    /// Opens a question to a node; the answer, or the link's end, comes through the receiver.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub(crate) fn ask(
        &self,
        node: NodeId,
    ) -> Result<(u64, oneshot::Receiver<Result<Bytes, Fault>>), Code> {
        let (sender, receiver) = oneshot::channel();
        let mut questions = self.questions.lock();
        if questions.open.len() >= QUESTIONS {
            return Err(Code::TooManyRequests);
        }
        questions.last += 1;
        let id = questions.last;
        questions.open.insert(id, (node, sender));
        Ok((id, receiver))
    }

    /// Node `from` answered.
    pub(crate) fn answer(&self, from: NodeId, id: u64, result: Result<Bytes, Fault>) {
        let mut questions = self.questions.lock();
        if questions.open.get(&id).is_some_and(|(asked, _)| *asked == from)
            && let Some((_, sender)) = questions.open.remove(&id)
        {
            drop(sender.send(result));
        }
    }

    /// Forgets a question whose asker went away.
    pub(crate) fn forget(&self, id: u64) {
        self.questions.lock().open.remove(&id);
    }

    /// The link to a node is gone: its answers will not come.
    pub(crate) fn fail_questions(&self, node: NodeId) {
        let mut questions = self.questions.lock();
        let lost: Vec<u64> =
            questions.open.iter().filter(|(_, (to, _))| *to == node).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some((_, sender)) = questions.open.remove(&id) {
                drop(sender.send(Err(Code::LeaderChanged.into())));
            }
        }
    }

    /// Something broke that must stop the node: durable state can no longer be promised.
    pub(crate) fn fail(&self, what: impl Into<Failure>) {
        let what = what.into();
        tracing::error!(reason = %what.reason, "the node stops serving");
        self.flight.note(Event::Failure { reason: what.reason.clone() });
        self.fatal.send_if_modified(|fatal| {
            let first = fatal.is_none();
            if first {
                *fatal = Some(what);
            }
            first
        });
        self.end();
        // Nobody may take this node for alive: a leader whose log is gone must not keep the others
        // from electing one.
        for poller in &self.pollers {
            poller.push(ToPoller::Stop);
        }
    }

    /// Requests that still wait are answered `ShuttingDown`.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
        self.live.observatory.end();
    }

    /// Answers once [`Self::end`] was called.
    pub(crate) async fn ended(&self) {
        drop(self.ended.subscribe().wait_for(|ended| *ended).await);
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// [`Self::fail`]: the disk did not do `what`.
    pub(crate) fn fail_disk(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        self.fail(Failure::of_disk(what, error, &self.config.data_dir));
    }

    pub(crate) fn failed(&self) -> Option<String> {
        self.fatal.borrow().as_ref().map(|failure| failure.reason.clone())
    }

    pub(crate) fn watch_failure(&self) -> watch::Receiver<Option<Failure>> {
        self.fatal.subscribe()
    }
}

fn slot(region: RegionId, of: usize) -> usize {
    usize::try_from(region.get() % of as u64).unwrap_or(0)
}

/// Lets a replica read old entries from the shared log.
pub(crate) struct RegionLogReader {
    pub(crate) region: RegionId,
    pub(crate) wal: Arc<dyn LogReader>,
}

impl consensus::LogReader for RegionLogReader {
    fn entries(
        &self,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, consensus::LogFailure> {
        self.wal
            .entries(self.region, low, high, max_bytes)
            .map_err(|error| consensus::LogFailure(error.to_string()))
    }

    fn term(&self, index: Index) -> Result<Term, consensus::LogFailure> {
        self.wal.term(self.region, index).map_err(|error| consensus::LogFailure(error.to_string()))
    }
}

/// Everything a new replica starts with, on its way to its poller.
pub(crate) type NewPeer = Box<PeerStart>;
