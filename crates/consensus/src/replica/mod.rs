//! The replica: the library's core, and the rules around it.

mod inbound;
mod library;
mod membership;
mod nap;
mod orphan;
mod output;
mod promise;
mod reads;
mod sleep;
mod view;
mod writes;

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::Bytes;
use raft::eraftpb;
use raft::{RawNode, StateRole};
use types::{Entry, Index, PeerId, RegionId, Term};

use self::library::Measure;
use self::nap::Core;
use self::reads::Reads;
use self::writes::Writes;
use crate::ready::RoleChange;
use crate::store::Store;
use crate::{Config, Error, Guards, LogReader, SnapshotMeta, Start};

/// Where what the library says goes: nowhere. One for all replicas.
static LOGGER: LazyLock<slog::Logger> =
    LazyLock::new(|| slog::Logger::root(slog::Discard, slog::o!()));

/// One replica of one group. It does nothing by itself: the driver ticks it, feeds it messages and
/// proposals, and carries out every [`crate::Ready`].
///
/// Calls that can fail answer [`Error::Log`] for ever after a failed read of the log, and
/// [`Error::Poisoned`] after a panic; the others then do nothing.
pub struct Replica {
    raw: Core,
    region: RegionId,
    peer: PeerId,
    seed: u64,
    guards: Guards,
    election_ticks: usize,
    heartbeat_ticks: usize,
    /// Appends on their way to one peer.
    window: usize,
    measure: Measure,
    /// Ticks since the start.
    now: u64,
    /// Ticks for which votes are still refused.
    settling: usize,
    promise_ticks: usize,
    /// When a leader was last heard.
    heard: Option<u64>,
    /// When a leader last bound it.
    promised: Option<u64>,
    /// While this replica leads: until when its heartbeats bind.
    binds_until: u64,
    /// How often they began to.
    bindings: u64,
    /// The leader whose node is lost from sight, while none was heard since.
    orphaned: Option<u64>,
    writes: Writes,
    /// How many a `Ready` is the library's first one after.
    earlier: u64,
    reads: Reads,
    /// Committed, and held back until a change of the peers among them may take effect.
    held: VecDeque<Entry>,
    /// The position of the latest change of the peers that was applied or rejected.
    conf_index: u64,
    /// The last entry of the latest snapshot handed out.
    superseded: u64,
    /// Changes of the peers handed out and not applied yet.
    conf_due: VecDeque<u64>,
    /// Handed out for application up to here, and reported applied.
    handed: u64,
    applied: u64,
    /// When a snapshot was last asked for.
    asked: u64,
    told: RoleChange,
    stopped: Option<Error>,
    /// Set while the library runs; found set, it panicked.
    inside: bool,
}

impl Replica {
    /// A replica that goes on where `start` says it stopped.
    ///
    /// # Errors
    /// [`Error::BadConfig`] and [`Error::BadStart`], when they contradict themselves.
    pub fn new(
        config: Config,
        mut start: Start,
        reader: Box<dyn LogReader>,
    ) -> Result<Self, Error> {
        config.check()?;
        start.check()?;
        if config.guards.commit_covers_applied {
            // The commit index is written without an fsync and may be older than the state; what
            // was applied was committed, though.
            start.hard_state.commit = start.hard_state.commit.max(start.applied);
        }
        let store = Store::new(&start, reader, config.cache_bytes);
        let measure = Measure::of(&config);
        let library = measure.config(config.peer, &config.guards, start.applied.get());
        let raw = RawNode::new(&library, store, &LOGGER)
            .map_err(|error| Error::BadStart(error.to_string()))?;
        let settles = config.guards.settle_after_restart && !start.is_fresh();
        let mut replica = Self {
            raw: Core::Node(Box::new(raw)),
            region: config.region,
            peer: config.peer,
            seed: config.seed,
            guards: config.guards,
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            window: config.max_inflight_messages,
            measure,
            now: 0,
            promise_ticks: config.promise_ticks,
            settling: if settles { config.promise_ticks } else { 0 },
            heard: None,
            promised: None,
            binds_until: 0,
            bindings: 0,
            orphaned: None,
            writes: Writes::new(&start.hard_state),
            earlier: 0,
            reads: Reads::new(config.peer, config.incarnation),
            held: VecDeque::new(),
            conf_index: start.applied.get(),
            superseded: 0,
            conf_due: VecDeque::new(),
            handed: start.applied.get(),
            applied: start.applied.get(),
            asked: 0,
            told: (crate::Role::Follower, None, start.hard_state.term),
            stopped: None,
            inside: false,
        };
        replica.raw.mut_store().started();
        replica.open_windows();
        replica.run(|_| Ok(()))?;
        Ok(replica)
    }

    /// Time goes on by one tick. A leader's heartbeats leave with every `heartbeat_ticks`-th of them.
    pub fn tick(&mut self) {
        let beat = (self.now + 1).is_multiple_of(self.heartbeat_ticks as u64);
        self.tick_with(beat);
    }

    /// Time goes on by one tick, and if `beat`, a leader's heartbeats leave: a driver with many groups
    /// lets them all leave together. A question to a quorum waits for no beat; it is repeated with
    /// every one until it is answered. There must be several beats per election timeout.
    pub fn tick_with(&mut self, beat: bool) {
        let _ = self.run(|replica| {
            replica.now += 1;
            replica.settling = replica.settling.saturating_sub(1);
            if replica.guards.bounded_reads {
                replica.reads.expire(replica.now);
            }
            if replica.now - replica.asked >= replica.election_ticks as u64 {
                replica.asked = replica.now;
                replica.raw.mut_store().forget_wanted();
            }
            replica.hurry();
            let raft = &replica.raw.raft;
            let fires = raft.state != StateRole::Leader
                && raft.election_elapsed + 1 >= raft.randomized_election_timeout();
            // A sole voter wins at once, and the library asserts that its log is durable then.
            if !fires || replica.may_campaign() {
                replica.tick_library(beat);
            }
            Ok(())
        });
    }

    /// The library beats to its own measure, from the moment each leader was elected.
    fn tick_library(&mut self, beat: bool) {
        let led = self.is_leader();
        let before = self.raw.raft.msgs.len();
        self.raw.tick();
        if !led || !self.is_leader() {
            return;
        }
        let mut at = 0;
        self.raw.raft.msgs.retain(|message| {
            at += 1;
            at <= before || message.get_msg_type() != eraftpb::MessageType::MsgHeartbeat
        });
        if beat {
            self.raw.raft.ping();
        }
    }

    /// Stands for election now. Nothing to do for a leader.
    ///
    /// # Errors
    /// [`Error::Settling`] soon after a restart, unless this is the only voter;
    /// [`Error::Writing`] while the log's end is not durable; [`Error::NoSuchPeer`] without a vote.
    pub fn campaign(&mut self) -> Result<(), Error> {
        self.run(|replica| {
            if replica.is_leader() {
                return Ok(());
            }
            if !replica.raw.raft.promotable() {
                return Err(Error::NoSuchPeer(replica.peer));
            }
            if replica.settling > 0 && !replica.is_only_voter() {
                return Err(Error::Settling);
            }
            if !replica.may_campaign() {
                return Err(Error::Writing);
            }
            replica.raw.campaign().map_err(|error| replica.translate(replica.peer, &error))
        })
    }

    /// [`Replica::propose_all`] of one command.
    ///
    /// # Errors
    /// The same.
    pub fn propose(&mut self, data: Bytes) -> Result<(Term, Index), Error> {
        self.propose_all([data])
    }

    /// Adds commands to the log, one behind the other, and says where the first one is. They travel
    /// together: one message for all of them, where each alone would be a message of its own and an
    /// answer to it. Each is committed when an entry of that term comes out at its index; until
    /// then, and if it never does, its outcome is unknown.
    ///
    /// # Errors
    /// [`Error::NotLeader`], [`Error::TransferInProgress`], [`Error::EmptyProposal`] for no command or
    /// an empty one, or [`Error::Dropped`] when too much is uncommitted. All of them are in no log then.
    pub fn propose_all(
        &mut self,
        commands: impl IntoIterator<Item = Bytes>,
    ) -> Result<(Term, Index), Error> {
        self.run(|replica| {
            replica.can_propose()?;
            let entry = |data| eraftpb::Entry { data, ..eraftpb::Entry::default() };
            let entries: Vec<_> = commands.into_iter().map(entry).collect();
            if entries.is_empty() || entries.iter().any(|entry| entry.data.is_empty()) {
                return Err(Error::EmptyProposal);
            }
            let count = entries.len() as u64;
            let mut message = eraftpb::Message::default();
            message.set_msg_type(eraftpb::MessageType::MsgPropose);
            message.from = replica.peer.get();
            message.set_entries(entries.into());
            replica.raw.raft.step(message).map_err(|_| Error::Dropped)?;
            let (term, last) = replica.end();
            Ok((term, Index(last.get() + 1 - count)))
        })
    }

    /// Hands leadership to another voter. It is given up after an election timeout; until then
    /// nothing can be proposed. Leases must be dropped before this is called.
    ///
    /// # Errors
    /// [`Error::NotLeader`], or [`Error::NoSuchPeer`] for a peer without a vote and for itself.
    pub fn transfer_leadership(&mut self, to: PeerId) -> Result<(), Error> {
        self.run(|replica| {
            replica.must_lead()?;
            let tracker = replica.raw.raft.prs();
            let votes = tracker.conf().voters().contains(to.get());
            if !votes || to == replica.peer || tracker.get(to.get()).is_none() {
                return Err(Error::NoSuchPeer(to));
            }
            replica.raw.transfer_leader(to.get());
            Ok(())
        })
    }

    /// A message to the peer could not be sent.
    pub fn report_unreachable(&mut self, peer: PeerId) {
        let _ = self.run(|replica| {
            replica.raw.report_unreachable(peer.get());
            Ok(())
        });
    }

    /// The snapshot sent to the peer arrived and was installed, or not. Must be called for every
    /// snapshot message; until then nothing else is sent to the peer.
    pub fn report_snapshot(&mut self, peer: PeerId, ok: bool) {
        let status = if ok { raft::SnapshotStatus::Finish } else { raft::SnapshotStatus::Failure };
        let _ = self.run(|replica| {
            replica.raw.report_snapshot(peer.get(), status);
            Ok(())
        });
    }

    /// Answers `Ready::wants_snapshot`. The message that carries it is in the next `Ready`.
    ///
    /// # Errors
    /// [`Error::BadSnapshot`], when nobody needs it any more or it does not fit.
    pub fn provide_snapshot(&mut self, snapshot: SnapshotMeta) -> Result<(), Error> {
        self.run(|replica| {
            if snapshot.index > replica.applied_index() {
                return Err(Error::BadSnapshot("it is ahead of what is applied"));
            }
            if snapshot.conf_state.voters.is_empty() {
                return Err(Error::BadSnapshot("no voters"));
            }
            crate::check_conf_state(&snapshot.conf_state).map_err(Error::BadSnapshot)?;
            let log = &replica.raw.raft.raft_log;
            if log.term(snapshot.index.get()).is_ok_and(|term| {
                snapshot.index.get() + 1 >= replica.raw.store().first()
                    && term != snapshot.term.get()
            }) {
                return Err(Error::BadSnapshot("its term is not the log's"));
            }
            let to = replica.raw.mut_store().provide(snapshot).map_err(Error::BadSnapshot)?;
            if replica.is_leader() && replica.raw.raft.prs().get(to).is_some() {
                replica.raw.raft.send_append(to);
            }
            Ok(())
        })
    }

    /// The entries up to `index` are about to leave the log. To be called before they do.
    ///
    /// # Panics
    /// When `index` was not reported applied.
    pub fn compact(&mut self, index: Index) {
        if self.failure().is_some() {
            return;
        }
        // Not with `run`: nobody needs to be awake for it.
        self.inside = true;
        let applied = self.applied_index();
        assert!(index <= applied, "compaction to {index}, applied {applied}");
        self.raw.store_mut().compact(index.get());
        self.inside = false;
        let _ = self.heed_failure();
    }

    /// How far the log can be compacted without making a snapshot useless that is on its way.
    #[must_use]
    pub fn safe_to_compact(&self) -> Index {
        let applied = self.applied_index().get();
        if !self.is_leader() {
            return Index(applied);
        }
        let in_flight = self.raw.raft.prs().iter().filter_map(|(_, progress)| {
            let sends = progress.state == raft::ProgressState::Snapshot && progress.recent_active;
            sends.then_some(progress.pending_snapshot)
        });
        Index(in_flight.min().map_or(applied, |index| index.min(applied)))
    }

    /// Gives back what memory it can: durable entries, unused send windows, and room in queues that were
    /// longer.
    pub fn release_memory(&mut self) {
        let _ = self.run(|replica| {
            replica.raw.mut_store().release();
            let raft = &mut replica.raw.raft;
            raft.maybe_free_inflight_buffers();
            raft.raft_log.unstable.entries.shrink_to_fit();
            raft.msgs.shrink_to_fit();
            raft.read_states.shrink_to_fit();
            raft.read_only.pending_read_index.shrink_to_fit();
            raft.read_only.read_index_queue.shrink_to_fit();
            replica.held.shrink_to_fit();
            replica.conf_due.shrink_to_fit();
            Ok(())
        });
    }

    /// Gives every peer its send window. The library makes room for all of it with each peer that comes, on
    /// followers too, where nobody ever sends anything: six kilobytes of three peers, before they are given
    /// back. So to the library a window is one message long, and here it gets its length, without room.
    fn open_windows(&mut self) {
        let raft = &mut self.raw.raft;
        raft.maybe_free_inflight_buffers();
        let peers: Vec<u64> = raft.prs().iter().map(|(peer, _)| *peer).collect();
        for peer in peers {
            raft.adjust_max_inflight_msgs(peer, self.window);
        }
    }

    /// Runs `call` unless the replica stopped, and restores what must hold after every change.
    fn run<R>(&mut self, call: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        if self.inside {
            return Err(Error::Poisoned);
        }
        self.inside = true;
        if let Err(error) = self.rouse() {
            self.inside = false;
            self.stopped = Some(error.clone());
            return Err(error);
        }
        let result = call(self);
        if self.guards.seeded_timeouts {
            let timeout = self.seeded_timeout();
            self.raw.raft.set_randomized_election_timeout(timeout);
        }
        if self.guards.bounded_reads {
            let raft = &self.raw.raft;
            self.reads.follow(raft.term, raft.leader_id);
        }
        self.inside = false;
        self.heed_failure()?;
        result
    }

    /// Stops for good if the log could not be read.
    fn heed_failure(&mut self) -> Result<(), Error> {
        let Some(failure) = self.raw.store().failure() else { return Ok(()) };
        self.stopped = Some(failure.clone().into());
        Err(failure.into())
    }

    /// Rule 2: between one and two election timeouts, by seed, region, peer and term.
    fn seeded_timeout(&self) -> usize {
        if let Some(leader) = self.orphaned {
            return self.orphans_timeout(leader);
        }
        let parts = [self.seed, self.region.get(), self.peer.get(), self.term().get()];
        let mixed = parts.into_iter().fold(0, |state: u64, part| {
            let mut bits = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        });
        let spread = mixed % self.election_ticks as u64;
        self.election_ticks + usize::try_from(spread).unwrap_or(0)
    }

    /// Whether an election may start: the library asserts, when it makes a leader, that the log
    /// is durable to its end, and cannot read entries that a pending snapshot replaces.
    fn may_campaign(&self) -> bool {
        if !self.guards.settle_before_campaign {
            return true;
        }
        let log = &self.raw.raft.raft_log;
        self.all_durable() && log.applied + 1 >= log.first_index()
    }

    fn all_durable(&self) -> bool {
        let log = &self.raw.raft.raft_log;
        log.persisted == log.last_index() && self.writes.is_settled()
    }

    fn is_only_voter(&self) -> bool {
        self.raw.raft.prs().is_singleton() && self.raw.raft.promotable()
    }

    fn must_lead(&self) -> Result<(), Error> {
        if self.is_leader() { Ok(()) } else { Err(Error::NotLeader { leader: self.leader() }) }
    }

    fn can_propose(&self) -> Result<(), Error> {
        self.must_lead()?;
        match self.raw.raft.lead_transferee {
            Some(to) => Err(Error::TransferInProgress { to: PeerId(to) }),
            None => Ok(()),
        }
    }

    /// Term and index of the entry just proposed.
    fn end(&self) -> (Term, Index) {
        (Term(self.raw.raft.term), Index(self.raw.raft.raft_log.last_index()))
    }

    fn applied_index(&self) -> Index {
        Index(self.applied)
    }

    fn translate(&self, from: PeerId, error: &raft::Error) -> Error {
        match error {
            raft::Error::StepPeerNotFound => Error::NoSuchPeer(from),
            raft::Error::ProposalDropped => Error::Dropped,
            _ => Error::Refused { from, why: "the library refused it" },
        }
    }
}
