//! One replica of one region: the consensus core with the proposals and reads that wait on it.

mod ready;
mod sleep;
mod stats;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{LogReader, Message, MessageKind, Replica, Role, SnapshotMeta};
use state::directory::Part;
use types::{Code, ConfState, HardState, Index, NodeId, PeerId, RegionId, Term};

pub(crate) use self::sleep::Around;
use self::sleep::Rest;
use crate::membership::{Step, guarded_step, heir_on, is_same, is_settled};
use crate::reads::ReadQueue;
use crate::{Forfeit, HostLimits, LogWrite, Output};

/// What a replica needs to start.
pub struct PeerStart {
    /// The region.
    pub region: RegionId,
    /// Bounds and timing of the consensus core.
    pub config: consensus::Config,
    /// What was found on disk.
    pub start: consensus::Start,
    /// Reads entries that are no longer in memory.
    pub log: Box<dyn LogReader>,
}

/// Bytes of commands that are proposed as one, about. Together they are refused when too much is
/// uncommitted, and replicated as one message.
const TOGETHER_BYTES: usize = 256 << 10;
/// Rounds of commands on their way at once. What comes meanwhile waits for one of them, so that load
/// makes rounds larger instead of more frequent: a round costs every node a write, a sync, messages
/// and wake-ups, however many commands are in it.
const ROUNDS: usize = 2;

struct Proposal<P> {
    term: Term,
    index: Index,
    waiting: P,
}

/// A replica on this node.
pub struct Peer<P, R> {
    region: RegionId,
    replica: Replica,
    /// Commands that were taken and are in no log yet: they go there together.
    fresh: Vec<(Bytes, P)>,
    /// The last entry of each round of commands that is not known to be committed.
    rounds: VecDeque<Index>,
    proposals: VecDeque<Proposal<P>>,
    reads: ReadQueue<R>,
    applied: Index,
    committed: Index,
    /// Bytes of entries handed out and not reported applied, and where each batch of them ends.
    unapplied_bytes: usize,
    handed: VecDeque<(Index, usize)>,
    /// The tick in which something was applied last, or handed out while nothing was to be.
    moved_on: u64,
    /// Who is to lead once it is heard and has about everything, and until which tick that counts.
    heir: Option<(NodeId, u64)>,
    told_commit: Index,
    role: Role,
    leader: Option<PeerId>,
    term: Term,
    ticks_without_leader: u64,
    /// As it was written last.
    kept: HardState,
    /// As it is; more may be committed than was written.
    newest: HardState,
    last_write: u64,
    last_durable: u64,
    rest: Rest,
}

impl<P, R> Peer<P, R> {
    pub(crate) fn new(start: PeerStart, ticks: u64) -> Result<Self, consensus::Error> {
        let applied = start.start.applied;
        let kept = start.start.hard_state;
        let mut rest = Rest::new(&start.config);
        rest.touch(ticks);
        let replica = Replica::new(start.config, start.start, start.log)?;
        let term = replica.term();
        Ok(Self {
            region: start.region,
            replica,
            fresh: Vec::new(),
            rounds: VecDeque::new(),
            proposals: VecDeque::new(),
            reads: ReadQueue::default(),
            applied,
            committed: applied,
            unapplied_bytes: 0,
            handed: VecDeque::new(),
            moved_on: ticks,
            heir: None,
            told_commit: applied,
            role: Role::Follower,
            leader: None,
            term,
            ticks_without_leader: 0,
            kept,
            newest: kept,
            last_write: 0,
            last_durable: 0,
            rest,
        })
    }

    /// The consensus core's view, for `status` and the simulator's oracles.
    #[must_use]
    pub fn status(&self) -> consensus::Status {
        self.replica.status()
    }

    /// Entries handed out to be applied and not reported as applied yet.
    #[must_use]
    pub fn unapplied(&self) -> u64 {
        self.committed.get().saturating_sub(self.applied.get())
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.replica.is_leader()
    }

    /// Heartbeats of all regions leave with the same ticks of the host, and so in one frame per node.
    pub(crate) fn tick(&mut self, around: &Around<'_>, out: &mut Output<P, R>) {
        self.consider_sleep(around, out);
        if self.is_asleep() {
            return;
        }
        let beat = around.ticks.is_multiple_of(self.rest.heartbeat_ticks);
        self.replica.tick_with(beat && !self.rest.is_asking());
        self.ticks_without_leader =
            if self.leader.is_some() { 0 } else { self.ticks_without_leader + 1 };
        if !self.fresh.is_empty() && self.room(around.limits) == 0 && self.is_stuck(around.ticks) {
            // In no log yet: whoever is refused may ask again.
            let waiting = self.fresh.drain(..).map(|(_, waiting)| waiting);
            out.failed_proposals.extend(waiting.map(|it| (it, Code::TooManyRequests)));
        }
        if self.ticks_without_leader >= around.limits.read_patience_ticks {
            let given_up = self.reads.drain();
            out.failed_reads.extend(given_up.into_iter().map(|read| (read, Code::NoLeader)));
        }
    }

    /// Takes a message that came from `from`; one whose sender does not live there is dropped. It need
    /// not be a peer this replica knows of: it may have become one since.
    pub(crate) fn step(
        &mut self,
        from: NodeId,
        message: Message,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), consensus::Error> {
        if message.from().node() != from {
            return Err(consensus::Error::Refused {
                from: message.from(),
                why: "it does not live on the node that sent this",
            });
        }
        self.wake(Some(message.from()), around, out);
        if !matches!(message.kind(), MessageKind::Heartbeat | MessageKind::HeartbeatResponse) {
            self.rest.touch(around.ticks);
        }
        let limits = around.limits;
        // As if the network had lost it: the leader sends it again. So a follower that applies more
        // slowly than its leader commits does not collect the difference in memory.
        let is_late = self.unapplied() > limits.unapplied_entries.saturating_mul(4)
            || self.unapplied_bytes > limits.unapplied_bytes;
        if is_late && message.kind() == MessageKind::Append {
            return Ok(());
        }
        self.replica.step(message)
    }

    pub(crate) fn propose(
        &mut self,
        data: Bytes,
        waiting: P,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), (P, Code)> {
        if !self.replica.is_leader() {
            return Err((waiting, Code::NotLeader));
        }
        self.wake(None, around, out);
        self.rest.touch(around.ticks);
        let limits = around.limits;
        if self.unapplied() > limits.unapplied_entries
            || self.unapplied_bytes > limits.unapplied_bytes
            || self.proposals.len() + self.fresh.len() >= limits.proposals_per_region
            || self.room(limits) == 0 && self.is_stuck(around.ticks)
        {
            return Err((waiting, Code::TooManyRequests));
        }
        if data.is_empty() {
            return Err((waiting, Code::InvalidArgument));
        }
        self.fresh.push((data, waiting));
        Ok(())
    }

    /// Puts what was taken into the log, unless enough is on its way or waits to be applied: where the
    /// applier sets the pace, a burst waits here, in numbers that are bounded, and is not refused.
    fn propose_fresh(&mut self, limits: &HostLimits, out: &mut Output<P, R>) {
        if self.fresh.is_empty() {
            return;
        }
        let committed = self.replica.commit_index();
        while self.rounds.pop_front_if(|last| *last <= committed).is_some() {}
        if !self.replica.is_leader() {
            self.propose_all(out);
        } else if self.rounds.len() < ROUNDS {
            let room = self.room(limits).min(self.fresh.len());
            let later = self.fresh.split_off(room);
            self.propose_all(out);
            self.fresh = later;
        }
    }

    /// So many commands more may be on their way to the machine.
    fn room(&self, limits: &HostLimits) -> usize {
        let ahead = self.proposals.len() as u64 + self.unapplied();
        usize::try_from(limits.unapplied_entries.saturating_sub(ahead)).unwrap_or(usize::MAX)
    }

    /// Whether something is to be applied, and was not for an election timeout: nobody waits for room then.
    fn is_stuck(&self, ticks: u64) -> bool {
        self.unapplied() > 0 && ticks - self.moved_on >= self.rest.election_ticks
    }

    /// Puts what was taken into the log, as few messages as it fits into.
    fn propose_all(&mut self, out: &mut Output<P, R>) {
        let mut fresh = std::mem::take(&mut self.fresh).into_iter().peekable();
        let mut last = None;
        while fresh.peek().is_some() {
            let (mut commands, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some((data, asked)) = fresh
                .next_if(|(data, _)| commands.is_empty() || bytes + data.len() <= TOGETHER_BYTES)
            {
                bytes += data.len();
                commands.push(data);
                waiting.push(asked);
            }
            match self.replica.propose_all(commands) {
                Ok((term, first)) => {
                    let added = (first.get()..).map(Index).zip(waiting);
                    self.proposals.extend(added.map(|(index, waiting)| Proposal {
                        term,
                        index,
                        waiting,
                    }));
                    last = self.proposals.back().map(|proposal| proposal.index);
                }
                Err(error) => {
                    let too_much = matches!(error, consensus::Error::Dropped);
                    let code = if too_much { Code::TooManyRequests } else { Code::NotLeader };
                    out.failed_proposals.extend(waiting.into_iter().map(|it| (it, code)));
                }
            }
        }
        self.rounds.extend(last);
    }

    /// `lease` for a read whose round is to make a lease, if this is the leader.
    pub(crate) fn read(
        &mut self,
        read: R,
        lease: bool,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), (R, Code)> {
        self.wake(None, around, out);
        self.rest.touch(around.ticks);
        if self.reads.len() >= around.limits.reads_per_region {
            return Err((read, Code::TooManyRequests));
        }
        if lease {
            self.replica.bind();
        }
        self.reads.push(read);
        Ok(())
    }

    pub(crate) fn persisted(&mut self, number: u64) {
        self.last_durable = self.last_durable.max(number);
        self.replica.persisted(number);
    }

    pub(crate) fn applied(&mut self, index: Index, ticks: u64) {
        assert!(
            index <= self.committed,
            "region {}: applied {index} was never handed out (handed out up to {})",
            self.region,
            self.committed
        );
        self.applied = self.applied.max(index);
        self.moved_on = ticks;
        while let Some((_, bytes)) = self.handed.front().filter(|(last, _)| *last <= self.applied) {
            self.unapplied_bytes -= bytes;
            self.handed.pop_front();
        }
        self.replica.applied(self.applied);
    }

    pub(crate) fn transfer(
        &mut self,
        to: NodeId,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), Code> {
        let peer = self.peers_on(to).first().copied().ok_or(Code::MemberNotFound)?;
        if self.replica.is_leader() {
            self.wake(None, around, out);
        }
        // What came before goes before: during a transfer nothing is taken.
        self.propose_all(out);
        self.replica.transfer_leadership(peer).map_err(|error| match error {
            consensus::Error::NoSuchPeer(_) => Code::MemberNotFound,
            _ => Code::NotLeader,
        })?;
        self.rest.touch(around.ticks);
        if around.limits.guards.forfeit_at_transfer {
            out.forfeited.push((self.region, self.replica.term(), Forfeit::Term));
        }
        Ok(())
    }

    /// Hands leadership over as soon as the other can take it, within two election timeouts: one that slept
    /// has heard nobody yet, and each time a leader counts anew who is heard it has not, either.
    pub(crate) fn hand_over(&mut self, to: NodeId, around: &Around<'_>, out: &mut Output<P, R>) {
        self.wake(None, around, out);
        self.rest.stay_awake(around.ticks);
        self.heir = Some((to, around.ticks + 2 * self.rest.election_ticks));
    }

    fn give_way(&mut self, around: &Around<'_>, out: &mut Output<P, R>) {
        let Some((to, until)) = self.heir else { return };
        if !self.replica.is_leader() || around.ticks > until {
            self.heir = None;
        } else if heir_on(&self.replica.status(), to).is_some() {
            self.heir = None;
            if self.transfer(to, around, out).is_ok() {
                out.transfers.push(self.region);
            }
        }
    }

    /// The peers this replica goes by.
    fn peers(&self) -> Vec<PeerId> {
        let conf = self.replica.configuration();
        let mut peers = conf.voters;
        peers.extend(conf.learners);
        peers.extend(conf.voters_outgoing);
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn peers_on(&self, node: NodeId) -> Vec<PeerId> {
        self.peers().into_iter().filter(|peer| peer.node() == node).collect()
    }

    /// Takes one step towards what the region's replicas are to be, if this one leads and a step can be
    /// taken now; answers which.
    pub(crate) fn reconcile(
        &mut self,
        from: &ConfState,
        (wanted, generation): (&BTreeMap<NodeId, Part>, u32),
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Option<Step> {
        let has = self.replica.configuration();
        if !self.replica.is_leader() || !is_same(&has, from) || is_settled(&has, wanted) {
            return None;
        }
        // Asleep it hears nobody, and could not tell who is there.
        self.wake(None, around, out);
        self.rest.stay_awake(around.ticks);
        let bears_losses = around.limits.guards.bear_losses;
        let step = guarded_step(&self.replica.status(), wanted, generation, bears_losses)?;
        let done = match &step {
            Step::Change(change) => {
                self.replica.propose_conf_change(change.clone(), Bytes::new()).is_ok()
            }
            Step::Transfer(to) => self.transfer(to.node(), around, out).is_ok(),
        };
        done.then_some(step)
    }

    /// Whether the region's other replicas may go: see [`Host::is_membership_known`](crate::Host).
    pub(crate) fn is_membership_known(
        &mut self,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> bool {
        let is_known = self.replica.is_configuration_known();
        if !is_known && self.replica.is_leader() {
            // Asleep nobody says what it knows.
            self.wake(None, around, out);
            self.rest.stay_awake(around.ticks);
        }
        is_known
    }

    pub(crate) fn campaign(&mut self) {
        // Refused where an election would be unsafe or is not needed.
        if !self.replica.is_bound() {
            drop(self.replica.campaign());
        }
    }

    pub(crate) fn unreachable(&mut self, node: NodeId) {
        for peer in self.peers_on(node) {
            self.replica.report_unreachable(peer);
        }
    }

    pub(crate) fn snapshot_sent(&mut self, to: PeerId, ok: bool) {
        self.replica.report_snapshot(to, ok);
    }

    pub(crate) fn provide_snapshot(&mut self, meta: SnapshotMeta) {
        // Refused when nobody needs it any more; whoever still does asks again.
        drop(self.replica.provide_snapshot(meta));
    }

    pub(crate) fn compact(&mut self, to: Index, term: Term, out: &mut Output<P, R>) {
        // The word that it is applied may still be on its way here; and a snapshot may be on its way
        // to a follower that needs what comes after it. Whoever asked asks again.
        if to > self.applied || to > self.replica.safe_to_compact() {
            return;
        }
        self.replica.compact(to);
        out.writes.push(LogWrite {
            region: self.region,
            peer: self.replica.peer(),
            number: None,
            hard_state: None,
            entries: Vec::new(),
            reset_to: None,
            compact_to: Some((to, term)),
            must_sync: false,
            messages: Vec::new(),
        });
    }
}
