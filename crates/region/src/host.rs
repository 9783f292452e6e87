//! Every replica of one poller, and who of them has something to say.

mod sleep;

use core::time::Duration;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use consensus::{MessageKind, SnapshotMeta};
use state::directory::Part;
use types::{Code, ConfState, Index, NodeId, PeerId, RegionId, Term};

use crate::peer::{Around, Peer, PeerStart};
use crate::{GroupStats, HostGuards, Output, RegionMessage, Step};

/// A host's bounds.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits {
    /// Proposals of one region that wait for their commit.
    pub proposals_per_region: usize,
    /// Reads of one region that wait for their index.
    pub reads_per_region: usize,
    /// Entries committed and not applied, from which on proposals are refused (feature C10).
    pub unapplied_entries: u64,
    /// Bytes of such entries, from which on it is the same. A follower listens to no new entries
    /// above this, or above four times `unapplied_entries`.
    pub unapplied_bytes: usize,
    /// Ticks without a leader after which waiting reads are given up.
    pub read_patience_ticks: u64,
    /// Ticks without anything but heartbeats after which a group goes to sleep; `None` for never.
    pub hibernate_after_ticks: Option<u64>,
    /// Sleeping replicas woken per tick because a node was lost or came back, and replicas started per
    /// tick that are awake at once. Whatever somebody waits for is woken at once, beside these.
    pub wakes_per_tick: usize,
    /// Which of the rules hold; all of them, outside tests.
    #[doc(hidden)]
    pub guards: HostGuards,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            proposals_per_region: 16_384,
            reads_per_region: 65_536,
            unapplied_entries: types::limits::UNAPPLIED_ENTRIES,
            unapplied_bytes: 64 << 20,
            read_patience_ticks: 50,
            hibernate_after_ticks: None,
            wakes_per_tick: 64,
            guards: HostGuards::default(),
        }
    }
}

/// The replicas one poller drives. `P` and `R` are whatever stands for a waiting proposal and a
/// waiting read.
///
/// A panic inside one replica (a bug of ours or of the library's) sets that region aside, loudly,
/// and leaves the others alone (guard rule 7).
pub struct Host<P, R> {
    limits: HostLimits,
    /// The driver's monotonic clock.
    now: Duration,
    /// Boxed: the map's nodes are half empty, and a replica is large.
    peers: BTreeMap<RegionId, Box<Peer<P, R>>>,
    dirty: BTreeSet<RegionId>,
    quarantined: BTreeMap<RegionId, String>,
    early: Output<P, R>,
    /// Questions of candidates to replicas that are not here yet.
    ahead: VecDeque<(NodeId, RegionMessage)>,
    /// Ticks since the start.
    ticks: u64,
    /// The replicas that are ticked. Those that sleep cost nothing.
    awake: BTreeSet<RegionId>,
    /// Those to be woken in their turn, among others that are awake by now.
    wakes: VecDeque<RegionId>,
    /// Those whose leader's node is lost, to be told in their turn.
    orphans: VecDeque<RegionId>,
    /// Nodes that are not there at the moment.
    lost: BTreeSet<NodeId>,
    /// Those of them that leaders may still count on, and until which tick.
    missed: BTreeMap<NodeId, u64>,
    /// Replicas that were awake at once when they started, since the last tick.
    started: usize,
    /// The versions of regions that can be split.
    versions: BTreeMap<RegionId, u64>,
}

/// Questions of candidates kept for replicas to come; of more, the oldest go.
const AHEAD: usize = 512;

impl<P, R> Host<P, R> {
    /// An empty host.
    #[must_use]
    pub fn new(limits: HostLimits) -> Self {
        Self {
            limits,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            dirty: BTreeSet::new(),
            quarantined: BTreeMap::new(),
            early: Output::default(),
            ahead: VecDeque::new(),
            ticks: 0,
            awake: BTreeSet::new(),
            wakes: VecDeque::new(),
            orphans: VecDeque::new(),
            lost: BTreeSet::new(),
            missed: BTreeMap::new(),
            started: 0,
            versions: BTreeMap::new(),
        }
    }

    /// Starts a replica. One that is already there stays as it is.
    ///
    /// # Errors
    /// When what was found on disk contradicts itself.
    pub fn create(&mut self, start: PeerStart) -> Result<(), consensus::Error> {
        let region = start.region;
        if let Entry::Vacant(vacant) = self.peers.entry(region) {
            let peer = vacant.insert(Box::new(Peer::new(start, self.ticks)?));
            self.dirty.insert(region);
            // A node that restarts with many regions asks for no election of all of them at once, and
            // their leaders elsewhere have time to be heard.
            let hibernates = self.limits.hibernate_after_ticks.is_some();
            if hibernates && peer.is_settling() && self.started >= self.limits.wakes_per_tick {
                peer.start_asleep(self.ticks);
                self.early.rest.push((region, true));
                peer.queue();
                self.wakes.push_back(region);
            } else {
                self.awake.insert(region);
                self.started += 1;
            }
            let ahead = std::mem::take(&mut self.ahead).into_iter();
            let (own, others) = ahead.partition(|(_, message)| message.region == region);
            self.ahead = others;
            let own: VecDeque<(NodeId, RegionMessage)> = own;
            for (from, message) in own {
                // What is wrong with it is the sender's loss.
                drop(self.step(from, message));
            }
        }
        Ok(())
    }

    /// The replica of `region`.
    #[must_use]
    pub fn peer(&self, region: RegionId) -> Option<&Peer<P, R>> {
        self.peers.get(&region).map(AsRef::as_ref)
    }

    /// The regions with a replica here.
    pub fn regions(&self) -> impl Iterator<Item = RegionId> + '_ {
        self.peers.keys().copied()
    }

    /// Tells the time, on the monotonic clock; said before work is handed in. What is begun until the
    /// next call counts as begun at `now`, so it must not be later than the truth. Never goes back.
    pub fn now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// The group as its replica here sees it. Allocates; for operators.
    #[must_use]
    pub fn group_stats(&self, region: RegionId) -> Option<GroupStats> {
        self.peers.get(&region).map(|peer| peer.stats(self.ticks))
    }

    /// One tick of time for every replica that is awake.
    pub fn tick(&mut self) {
        self.ticks += 1;
        self.wake_in_turn();
        self.forsake();
        for region in self.awake.iter().copied().collect::<Vec<_>>() {
            self.guarded(region, |peer, around, out| {
                peer.tick(around, out);
                Ok(())
            });
        }
    }

    /// A message from another node. One for a region that is not here (yet) is dropped: Raft sends
    /// it again, and a region that is being created will be there by then. Only a candidate's
    /// question is kept: it is put again after an election timeout, and a new region has no leader
    /// until then.
    ///
    /// # Errors
    /// What was wrong with the message; nothing changed then.
    pub fn step(&mut self, from: NodeId, message: RegionMessage) -> Result<(), consensus::Error> {
        let mut result = Ok(());
        let kind = message.message.kind();
        if !self.peers.contains_key(&message.region)
            && !self.quarantined.contains_key(&message.region)
            && matches!(kind, MessageKind::PreVote | MessageKind::Vote)
        {
            if self.ahead.len() == AHEAD {
                self.ahead.pop_front();
            }
            self.ahead.push_back((from, message));
            return Ok(());
        }
        self.guarded(message.region, |peer, around, out| {
            result = peer.step(from, message.message, around, out);
            match &result {
                // Its disk lost what it had acknowledged: it must neither vote nor acknowledge.
                Err(error @ consensus::Error::LostLog { .. }) => Err(error.clone()),
                _ => Ok(()),
            }
        });
        result
    }

    /// Sets a replica aside: nobody may hear from it any more. For what the driver finds broken.
    pub fn quarantine(&mut self, region: RegionId, reason: String) {
        if let Some(mut peer) = self.peers.remove(&region) {
            if self.limits.hibernate_after_ticks.is_some() {
                peer.take_leave(&mut self.early);
            }
            peer.close(Code::Corrupt, &mut self.early);
        }
        self.dirty.remove(&region);
        self.awake.remove(&region);
        self.quarantined.insert(region, reason.clone());
        self.early.quarantined.push((region, reason));
    }

    /// The replica is no part of its group any more: whoever waits is told that it is not here, and so is
    /// every message from now on. Nothing of it is written after this. Another one of the region may be
    /// created later.
    pub fn remove(&mut self, region: RegionId) {
        if let Some(mut peer) = self.peers.remove(&region) {
            peer.close(Code::RegionNotFound, &mut self.early);
        }
        self.early.writes.retain(|write| write.region != region);
        self.dirty.remove(&region);
        self.awake.remove(&region);
        self.versions.remove(&region);
        self.quarantined.remove(&region);
    }

    /// Proposes a command; `waiting` comes back with the committed entry or as a failure.
    pub fn propose(&mut self, region: RegionId, data: Bytes, waiting: P) {
        if !self.peers.contains_key(&region) {
            self.early.failed_proposals.push((waiting, self.missing(region)));
            return;
        }
        if let Some(version) = self.versions.get(&region)
            && state::routed_version(&data).is_some_and(|routed| routed < *version)
        {
            // It would be refused all the same once it is applied.
            self.early.failed_proposals.push((waiting, Code::EpochMismatch));
            return;
        }
        self.guarded(region, |peer, around, out| {
            let refused = peer.propose(data, waiting, around, out).err();
            out.failed_proposals.extend(refused);
            Ok(())
        });
    }

    /// The region was split, or can be: commands that were routed by a version before this one are refused.
    pub fn reshaped(&mut self, region: RegionId, version: u64) {
        self.versions.insert(region, version);
    }

    /// Asks for the index a linearizable read must wait for. `lease` if more reads will come that a lease
    /// would serve: a leader's round binds voters then, and makes one. Who is bound waits longer to
    /// replace a leader that is lost.
    pub fn read(&mut self, region: RegionId, read: R, lease: bool) {
        if !self.peers.contains_key(&region) {
            self.early.failed_reads.push((read, self.missing(region)));
            return;
        }
        self.guarded(region, |peer, around, out| {
            let refused = peer.read(read, lease, around, out).err();
            out.failed_reads.extend(refused);
            Ok(())
        });
    }

    /// A [`crate::LogWrite`] with this number is durable, and so is every earlier one of the region.
    pub fn persisted(&mut self, region: RegionId, number: u64) {
        self.guarded(region, |peer, _, _| {
            peer.persisted(number);
            Ok(())
        });
    }

    /// The state machine applied everything up to `index`.
    pub fn applied(&mut self, region: RegionId, index: Index) {
        self.guarded(region, |peer, around, _| {
            peer.applied(index, around.ticks);
            Ok(())
        });
    }

    /// Hands over leadership of `region` to its replica on node `to`.
    ///
    /// # Errors
    /// `RegionNotFound`; `NotLeader`; `MemberNotFound` for a node without a replica that votes, and
    /// for the leader's own.
    pub fn transfer(&mut self, region: RegionId, to: NodeId) -> Result<(), Code> {
        let mut result = Err(Code::RegionNotFound);
        self.guarded(region, |peer, around, out| {
            result = peer.transfer(to, around, out);
            Ok(())
        });
        result
    }

    /// Hands over leadership of `region`, if it is led here, as soon as the replica on `to` can take it: it
    /// votes, is heard, and lacks little. If that takes longer than two election timeouts it is given up, and
    /// whoever wants it asks again. [`Output::transfers`] says when it begins.
    pub fn hand_over(&mut self, region: RegionId, to: NodeId) {
        self.guarded(region, |peer, around, out| {
            if peer.is_leader() {
                peer.hand_over(to, around, out);
            }
            Ok(())
        });
    }

    /// Whether the replica here leads, and a majority knows which replicas the region has: only then may
    /// nodes hear that theirs are none of them any more, and drop them. With one that went too early and a
    /// leader that is lost, the others might wait for its vote for ever. To be asked again if not.
    pub fn is_membership_known(&mut self, region: RegionId) -> bool {
        let mut is_known = false;
        self.guarded(region, |peer, around, out| {
            is_known = peer.is_membership_known(around, out);
            Ok(())
        });
        is_known
    }

    /// Takes one step towards a replica on each of the nodes `wanted` and on no other, if the replica
    /// here leads, its replicas still are those of `from`, for which that was wanted, and a step can be
    /// taken now; answers which. To be called again when it was taken, and from time to time. `generation` as
    /// for [`next_step`](crate::next_step).
    pub fn reconcile(
        &mut self,
        region: RegionId,
        from: &ConfState,
        wanted: &BTreeMap<NodeId, Part>,
        generation: u32,
    ) -> Option<Step> {
        let mut step = None;
        self.guarded(region, |peer, around, out| {
            step = peer.reconcile(from, (wanted, generation), around, out);
            Ok(())
        });
        step
    }

    /// Starts an election of `region` now.
    pub fn campaign(&mut self, region: RegionId) {
        self.guarded(region, |peer, around, out| {
            peer.wake(None, around, out);
            peer.campaign();
            Ok(())
        });
    }

    /// The link to a node is down: messages to it may be lost. See also [`Host::node_lost`].
    pub fn unreachable(&mut self, node: NodeId) {
        for region in self.awake.iter().copied().collect::<Vec<_>>() {
            self.guarded(region, |peer, _, _| {
                peer.unreachable(node);
                Ok(())
            });
        }
    }

    /// A snapshot to another replica arrived, or did not.
    pub fn snapshot_sent(&mut self, region: RegionId, to: PeerId, ok: bool) {
        self.guarded(region, |peer, _, _| {
            peer.snapshot_sent(to, ok);
            Ok(())
        });
    }

    /// The snapshot that was wanted exists.
    pub fn provide_snapshot(&mut self, region: RegionId, meta: SnapshotMeta) {
        self.guarded(region, |peer, _, _| {
            peer.provide_snapshot(meta);
            Ok(())
        });
    }

    /// Drops log entries up to `to`, whose term is `term`: the state up to there is durable without
    /// them. Does nothing while `to` is not reported applied, or needed for a snapshot under way.
    pub fn compact(&mut self, region: RegionId, to: Index, term: Term) {
        self.guarded(region, |peer, _, out| {
            peer.compact(to, term, out);
            Ok(())
        });
    }

    /// Gives up every waiting proposal and read.
    pub fn close(&mut self, code: Code) {
        for peer in self.peers.values_mut() {
            peer.close(code, &mut self.early);
        }
    }

    /// What is to be done since the last call. Empty output means the host is at rest.
    pub fn poll(&mut self) -> Output<P, R> {
        for region in std::mem::take(&mut self.dirty) {
            self.guarded(region, |peer, around, out| peer.collect(around, out));
            self.dirty.remove(&region);
        }
        std::mem::take(&mut self.early)
    }

    fn missing(&self, region: RegionId) -> Code {
        if self.quarantined.contains_key(&region) { Code::Corrupt } else { Code::RegionNotFound }
    }

    /// Runs `work` on a replica and marks it dirty. What breaks the replica removes it from service.
    fn guarded(
        &mut self,
        region: RegionId,
        work: impl FnOnce(
            &mut Peer<P, R>,
            &Around<'_>,
            &mut Output<P, R>,
        ) -> Result<(), consensus::Error>,
    ) {
        let Some(peer) = self.peers.get_mut(&region) else { return };
        let early = &mut self.early;
        let around =
            Around { limits: &self.limits, now: self.now, ticks: self.ticks, lost: &self.lost };
        let slept = peer.is_asleep();
        // The replica is dropped when it panicked, so that no broken state is seen again; what it
        // had put into the output before was complete.
        let result = catch_unwind(AssertUnwindSafe(|| work(peer, &around, early)));
        let reason = match result {
            Ok(Ok(())) => {
                self.dirty.insert(region);
                let sleeps = peer.is_asleep();
                match (slept, sleeps) {
                    (true, false) => drop(self.awake.insert(region)),
                    (false, true) => drop(self.awake.remove(&region)),
                    _ => {}
                }
                if slept != sleeps {
                    early.rest.push((region, sleeps));
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(panic.as_ref()),
        };
        self.quarantine(region, reason);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
