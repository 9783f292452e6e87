//! One region's state on this node, as every thread sees it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use consensus::{Role, SnapshotMeta};
use env::Moment;
use parking_lot::{Mutex, RwLock};
use region::{ClockRules, Forfeit, LeaderLease};
use state::command::SessionTag;
use state::directory::RegionRecord;
use state::registry::MACHINE;
use state::registry::deadlines::Settings;
use state::{LeaseChange, Machine, sharded};
use storage::engine::Snapshot;
use tokio::sync::{Semaphore, oneshot, watch};
use types::{Code, Epoch, Fault, Index, KeyspaceId, NodeId, PeerId, RegionId, Revision, Term};

use crate::applier::Applied;
use crate::compaction::Sweeping;
use crate::contact::Contact;
use crate::desk::{Done, News};
use crate::group::{Group, Groups};
use crate::hot::Heat;
use crate::lease::LeaseClock;
use crate::registry;
use crate::sharded::Guests;
use crate::waiter::{ReadReply, Waiter};
use crate::watched::Watched;

/// Entries committed and not applied, from which on a copy takes a while to catch up.
const FAR_BEHIND: u64 = 1_024;
/// Questions to one custom machine at once.
const QUERIES: usize = 16;

/// Who leads a region, as far as this node knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Leadership {
    pub(crate) leader: Option<NodeId>,
    pub(crate) term: Term,
    /// Whether this node's replica leads.
    pub(crate) here: bool,
}

/// A frozen state that a lagging replica can be sent.
pub(crate) struct ExportedState {
    pub(crate) meta: SnapshotMeta,
    pub(crate) view: Box<dyn Snapshot>,
    /// When it was made. It keeps the engine from dropping old versions, so it must not get old.
    pub(crate) at: Moment,
}

/// The sequence numbers of the commands this node sends to one region.
#[derive(Default)]
pub(crate) struct Tags {
    last: u64,
    outstanding: BTreeMap<u64, Waiter>,
}

/// What of a region's record its replica here goes by, as it was when that was begun. All of it would be half
/// a kilobyte, and is in the directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) id: RegionId,
    pub(crate) keyspace: KeyspaceId,
    pub(crate) epoch: Epoch,
}

/// Machines of others.
pub(crate) struct Foreign {
    /// The name of their kind.
    pub(crate) kind: String,
    /// Bounds the questions to one that run at once.
    pub(crate) queries: Arc<Semaphore>,
}

/// A region's replica, seen from outside its poller. There may be 10,000: what most of them have no use for
/// is boxed, or made when it is needed.
pub(crate) struct Shard {
    pub(crate) record: Origin,
    /// Where its machine is one of others.
    pub(crate) custom: Option<Box<Foreign>>,
    /// Written by the region's applier only.
    pub(crate) machine: Arc<RwLock<Machine>>,
    pub(crate) leases: Mutex<LeaseClock>,
    /// Where the region is a registry.
    pub(crate) registry: Option<Box<registry::Share>>,
    /// Waits for the message that announces it; then it is the sender's.
    pub(crate) exported: Mutex<Option<Box<ExportedState>>>,
    group: RwLock<Arc<Group>>,
    leadership: Watched<Leadership>,
    applied: AtomicU64,
    /// The machine's newest and oldest readable revision, for those who must not wait for it.
    revision: AtomicI64,
    compacted: AtomicI64,
    /// The newest entry known to be committed.
    committed: AtomicU64,
    /// Whether this replica sleeps.
    asleep: AtomicBool,
    /// Up to where physical compaction is done.
    scavenged: Watched<Revision>,
    /// Up to where somebody waits for that.
    physical: AtomicI64,
    pub(crate) sweeping: Sweeping,
    /// Whether a step of physical compaction is queued.
    pub(crate) scavenging: AtomicBool,
    readers: Mutex<BTreeMap<u64, Vec<ReadReply>>>,
    /// Those of the whole keyspace, where it is sharded.
    tags: Arc<Mutex<Tags>>,
    /// What clients ask of it here.
    pub(crate) heat: Heat,
    /// Those who wait for commands of nodes that have no replica of it.
    pub(crate) guests: Guests,
    /// This node's replica of it.
    peer: PeerId,
    /// Whether it is a region of a sharded keyspace.
    pub(crate) is_sharded: bool,
    /// Why the region does not serve on this node any more.
    broken: OnceLock<Fault>,
    lease: Mutex<LeaderLease>,
    /// Whether a round was asked for to renew it.
    renewing: AtomicBool,
    contact: Mutex<Contact>,
}

impl Shard {
    pub(crate) fn new(
        record: &RegionRecord,
        kind: Option<String>,
        machine: Machine,
        (leases, settings): (LeaseClock, Settings),
        groups: &Groups,
    ) -> Self {
        let is_sharded = kind.as_deref() == Some(sharded::MACHINE);
        let custom = kind.filter(|kind| kind != MACHINE && !is_sharded);
        let foreign = |kind| Box::new(Foreign { kind, queries: Arc::new(Semaphore::new(QUERIES)) });
        let registry = machine.registry().map(|_| Box::new(registry::Share::new(settings)));
        let applied = machine.applied().index.get();
        let revisions = (machine.revision(), machine.compacted());
        let scavenged = Watched::new(machine.scavenged());
        Self {
            record: Origin { id: record.id, keyspace: record.keyspace, epoch: record.epoch },
            custom: custom.map(foreign),
            group: RwLock::new(groups.of(&machine)),
            machine: Arc::new(RwLock::new(machine)),
            leases: Mutex::new(leases),
            registry,
            exported: Mutex::new(None),
            leadership: Watched::new(Leadership::default()),
            applied: AtomicU64::new(applied),
            revision: AtomicI64::new(revisions.0.get()),
            compacted: AtomicI64::new(revisions.1.get()),
            committed: AtomicU64::new(applied),
            asleep: AtomicBool::new(false),
            scavenged,
            physical: AtomicI64::new(0),
            sweeping: Sweeping::default(),
            scavenging: AtomicBool::new(false),
            readers: Mutex::default(),
            tags: Arc::default(),
            heat: Heat::default(),
            guests: Guests::default(),
            peer: PeerId::default(),
            is_sharded,
            broken: OnceLock::new(),
            lease: Mutex::default(),
            renewing: AtomicBool::new(false),
            contact: Mutex::default(),
        }
    }

    /// Names this node's replica.
    pub(crate) fn with_peer(self, peer: PeerId) -> Self {
        Self { peer, ..self }
    }

    /// This node's replica.
    pub(crate) fn peer(&self) -> PeerId {
        self.peer
    }

    /// Has its commands numbered together with those of other regions.
    pub(crate) fn sharing(self, tags: Arc<Mutex<Tags>>) -> Self {
        Self { tags, ..self }
    }

    /// The region is set aside: it neither leads nor answers here until the node is started again.
    pub(crate) fn set_broken(&self, reason: String) {
        self.end(Fault::new(Code::Corrupt, reason));
    }

    /// This node has no replica of the region any more: others have, and who waits here asks them.
    pub(crate) fn set_gone(&self) {
        let detail = "the region has left this node";
        self.end(Fault::new(Code::RegionNotFound, detail));
    }

    fn end(&self, why: Fault) {
        drop(self.broken.set(why));
        self.set_leadership(Role::Follower, None, self.leadership().term);
        self.leases.lock().follow();
        if let Some(registry) = &self.registry {
            registry.clock.follow();
            registry.waits.ring_all();
        }
        drop(std::mem::take(&mut *self.readers.lock()));
        self.guests.end();
        if self.is_sharded {
            // Some of them wait for other regions; those that wait for this one find out by asking again.
            return;
        }
        // Outside the lock: whoever waited is told that nobody knows.
        let waiting = std::mem::take(&mut self.tags.lock().outstanding);
        drop(waiting);
    }

    /// Where the replicas are.
    pub(crate) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group.read())
    }

    /// The replicas changed; called with the machine held.
    pub(crate) fn note_group(&self, groups: &Groups, machine: &Machine) {
        *self.group.write() = groups.of(machine);
        // Who answered before may not count any more.
        self.contact.lock().forget_followers();
    }

    /// What the node keeps beside its copy of a registry.
    pub(crate) fn registry(&self) -> Result<&registry::Share, Fault> {
        let unsupported = || Fault::new(Code::Unsupported, "this keyspace is no registry");
        self.registry.as_deref().ok_or_else(unsupported)
    }

    /// The name of the kind of machine that carries out the region's commands, if it is not that of
    /// keys and values alone.
    pub(crate) fn kind(&self) -> Option<&str> {
        if self.is_sharded {
            return Some(sharded::MACHINE);
        }
        self.custom
            .as_ref()
            .map(|it| it.kind.as_str())
            .or_else(|| self.registry.as_ref().map(|_| MACHINE))
    }

    /// Refuses what only keys and values have, without the machine: one of others may be busy for any
    /// time.
    pub(crate) fn keys_only(&self) -> Result<(), Fault> {
        match self.custom {
            None => Ok(()),
            Some(_) => Err(Fault::new(Code::Unsupported, state::custom::CUSTOM_ONLY)),
        }
    }

    /// Why the region does not serve on this node, if that is so.
    pub(crate) fn broken(&self) -> Result<(), Fault> {
        match self.broken.get() {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }

    /// A quorum round begun at `began` was answered while this node led in `term`.
    pub(crate) fn lease_confirmed(&self, term: Term, began: Duration) {
        self.lease.lock().confirmed(term, began);
        self.renewing.store(false, Ordering::Relaxed);
    }

    /// The lease of `term` ends before its time.
    pub(crate) fn lease_forfeited(&self, term: Term, why: Forfeit) {
        self.lease.lock().forfeit(term, why);
    }

    /// How much longer this node may answer as the leader by itself; `None` if it has to ask a quorum.
    /// Nobody else leads at `now` then, and nobody did in a later term before.
    pub(crate) fn lease_left(&self, now: Moment, rules: &ClockRules) -> Option<Duration> {
        let leadership = self.leadership();
        let until = self.lease.lock().until(leadership.term, rules)?;
        (leadership.here && now.0 < until).then(|| until - now.0)
    }

    /// Whether the caller is the one to have the lease renewed: once until that happens.
    pub(crate) fn begins_renewal(&self) -> bool {
        !self.renewing.load(Ordering::Relaxed) && !self.renewing.swap(true, Ordering::Relaxed)
    }

    /// It could not be asked for: whoever comes next may.
    pub(crate) fn ends_renewal(&self) {
        self.renewing.store(false, Ordering::Relaxed);
    }

    /// The leader spoke, or the node it lives on while the group sleeps, and nothing is known to be
    /// committed that is not in `told` or was told before.
    pub(crate) fn note_contact(&self, now: Moment, told: Index) {
        let told = told.max(Index(self.committed.load(Ordering::Acquire)));
        self.contact.lock().leader_spoke(now, told, self.applied());
    }

    /// This replica leads and `node` answered it.
    pub(crate) fn note_follower(&self, now: Moment, node: NodeId) {
        let told = Index(self.committed.load(Ordering::Acquire));
        let voters = {
            let group = self.group.read();
            group.voters.contains(&node).then_some(group.voters.len())
        };
        if let Some(voters) = voters {
            self.contact.lock().follower_answered(now, node, voters, told, self.applied());
        }
    }

    /// Everything that was acknowledged anywhere before `since` is applied here.
    pub(crate) fn note_current(&self, since: Moment) {
        self.contact.lock().confirmed(since);
    }

    /// The newest moment at which this replica was known to be caught up with a leader it heard.
    pub(crate) fn current_at(&self, now: Moment) -> Option<Moment> {
        if self.group().voters.len() == 1 && self.leadership().here && self.is_caught_up() {
            return Some(now);
        }
        self.contact.lock().current(self.applied())
    }

    /// Whether so much is committed and not applied that it takes a while.
    pub(crate) fn is_far_behind(&self) -> bool {
        let applied = self.applied.load(Ordering::Acquire);
        self.committed.load(Ordering::Acquire).saturating_sub(applied) > FAR_BEHIND
    }

    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.get()
    }

    pub(crate) fn watch_leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.watch()
    }

    /// How many wait for news of it.
    #[cfg(test)]
    pub(crate) fn leadership_watchers(&self) -> usize {
        self.leadership.watchers()
    }

    pub(crate) fn set_leadership(&self, role: Role, leader: Option<NodeId>, term: Term) {
        let here = role == Role::Leader;
        let before = self.leadership();
        if (before.here, before.term) != (here, term) {
            self.contact.lock().forget_followers();
        }
        self.leadership.set(Leadership { leader, term, here });
    }

    /// The newest revision that was applied, and written to the engine.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// The oldest revision that can be read.
    pub(crate) fn compacted(&self) -> Revision {
        Revision(self.compacted.load(Ordering::Acquire))
    }

    /// What was applied is in the engine; called with the machine held, before anybody is told.
    pub(crate) fn note_revisions(&self, machine: &Machine) {
        self.revision.store(machine.revision().get(), Ordering::Release);
        self.compacted.store(machine.compacted().get(), Ordering::Release);
    }

    /// Physical compaction got on, or the state is another one; called with the machine held.
    pub(crate) fn note_scavenged(&self, machine: &Machine) {
        self.scavenged.change(machine.scavenged());
    }

    /// Somebody waits until what a compaction up to `revision` made unreachable is gone.
    pub(crate) fn want_physical(&self, revision: Revision) {
        self.physical.fetch_max(revision.get(), Ordering::Relaxed);
    }

    pub(crate) fn wants_physical(&self) -> bool {
        self.physical.load(Ordering::Relaxed) > self.scavenged.get().get()
    }

    /// Answers once what a compaction up to `revision` made unreachable is gone here.
    pub(crate) async fn when_scavenged(&self, revision: Revision) {
        drop(self.scavenged.watch().wait_for(|at| *at >= revision).await);
    }

    pub(crate) fn applied(&self) -> Index {
        Index(self.applied.load(Ordering::Acquire))
    }

    /// Entries up to `index` are committed. Told before any message leaves that lets another node
    /// know.
    pub(crate) fn note_commit(&self, index: Index) {
        self.committed.fetch_max(index.get(), Ordering::AcqRel);
    }

    /// The replica fell asleep, or woke up.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.asleep.store(asleep, Ordering::Relaxed);
    }

    /// Whether nothing goes on in the region, as far as this replica is concerned: it is not told that
    /// its leader is there, but the leader's node beats.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Entries known to be committed and not applied here.
    pub(crate) fn lag(&self) -> u64 {
        let applied = self.applied.load(Ordering::Acquire);
        self.committed.load(Ordering::Acquire).saturating_sub(applied)
    }

    /// The newest entry known to be committed.
    pub(crate) fn committed(&self) -> Index {
        Index(self.committed.load(Ordering::Acquire))
    }

    /// Whether everything known to be committed is applied here.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.applied.load(Ordering::Acquire) >= self.committed.load(Ordering::Acquire)
    }

    /// Answers `reply` once everything that was committed at the time of the call is applied here.
    pub(crate) fn when_caught_up(&self, reply: ReadReply) {
        self.when_applied(Index(self.committed.load(Ordering::Acquire)), reply);
    }

    /// The applier published state up to `index`: reads that waited for it may go.
    pub(crate) fn publish(&self, index: Index) {
        self.applied.store(index.get(), Ordering::Release);
        let ready = {
            let mut readers = self.readers.lock();
            let later = readers.split_off(&(index.get() + 1));
            std::mem::replace(&mut *readers, later)
        };
        for reply in ready.into_values().flatten() {
            reply.send(Ok(()));
        }
    }

    /// Answers `reply` once `index` is applied.
    pub(crate) fn when_applied(&self, index: Index, reply: ReadReply) {
        {
            let mut readers = self.readers.lock();
            // Whoever sets it aside says so first and then lets go of those who wait.
            if self.broken.get().is_some() {
                return;
            }
            if self.applied() < index {
                readers.entry(index.get()).or_default().push(reply);
                return;
            }
        }
        reply.send(Ok(()));
    }

    /// Whether something of it may end by this node's clock.
    pub(crate) fn has_deadlines(&self) -> bool {
        self.leadership().here && (self.registry.is_some() || !self.leases.lock().is_empty())
    }

    /// Keeps the leader's deadlines in step with the leases; called with the machine locked.
    pub(crate) fn note_leases(&self, now: Moment, changes: &[LeaseChange]) {
        let mut leases = self.leases.lock();
        for change in changes {
            match *change {
                LeaseChange::Granted { id, ttl_seconds } => leases.granted(now, id, ttl_seconds),
                LeaseChange::Revoked { id } => leases.revoked(id),
            }
        }
    }

    /// A new sequence number for a command, in use until the guard is dropped; its outcome comes
    /// through the receiver once this node has applied it.
    pub(crate) fn tag(
        self: &Arc<Self>,
        client: u64,
    ) -> Result<(TagGuard, oneshot::Receiver<Applied>), Code> {
        let (sender, receiver) = oneshot::channel();
        Ok((self.tag_for(client, Waiter::Task(sender))?, receiver))
    }

    /// [`Self::tag`] for whoever `waiter` is.
    pub(crate) fn tag_for(self: &Arc<Self>, client: u64, waiter: Waiter) -> Result<TagGuard, Code> {
        TagGuard::new(Arc::clone(&self.tags), client, waiter)
    }

    /// Lets another one wait for a command; answers whether its outcome is still to come.
    pub(crate) fn wait_instead(&self, sequence: u64, waiter: Waiter) -> bool {
        match self.tags.lock().outstanding.get_mut(&sequence) {
            Some(waiting) => {
                *waiting = waiter;
                true
            }
            None => false,
        }
    }

    /// The leader's node did not take a command that came through a desk.
    pub(crate) fn refused(&self, sequence: u64, fault: Fault) {
        let way = match self.tags.lock().outstanding.get(&sequence) {
            Some(Waiter::Desk(way)) => way.clone(),
            // Its task has asked again by itself, or is gone.
            _ => return,
        };
        way.desk.tell(way.ticket, News::Stuck(fault));
    }

    /// Tells waiting clients their commands' outcomes.
    pub(crate) fn complete(&self, outcomes: Vec<(u64, Applied)>) {
        if outcomes.is_empty() {
            return;
        }
        let mut ready = Vec::with_capacity(outcomes.len());
        {
            let mut tags = self.tags.lock();
            for (sequence, applied) in outcomes {
                if let Some(waiting) = tags.outstanding.remove(&sequence) {
                    ready.push((waiting, applied));
                }
            }
        }
        // Each desk once, when everything is there: its connection then writes all answers at once.
        let mut desks = Vec::new();
        for (waiting, applied) in ready {
            match waiting {
                // Nobody there any more: the request timed out.
                Waiter::Task(waiting) => drop(waiting.send(applied)),
                Waiter::Desk(way) => {
                    if way.desk.put(way.ticket, News::Done(Done(applied))) {
                        desks.push(way.desk);
                    }
                }
            }
        }
        for desk in desks {
            desk.wake();
        }
    }
}

/// Keeps a sequence number in use: its outcome is not forgotten while somebody may ask again.
pub(crate) struct TagGuard {
    tags: Arc<Mutex<Tags>>,
    pub(crate) tag: SessionTag,
    done: bool,
}

impl TagGuard {
    /// The next number of `tags`, for a command that `waiter` waits for.
    pub(crate) fn new(shared: Arc<Mutex<Tags>>, client: u64, waiter: Waiter) -> Result<Self, Code> {
        let mut tags = shared.lock();
        // Half of what the state machine remembers, so that no outcome is forgotten while asked for.
        if tags.outstanding.len() >= types::limits::SESSION_OUTCOMES / 2 {
            return Err(Code::TooManyRequests);
        }
        if let Some((oldest, _)) = tags.outstanding.first_key_value()
            && tags.last - oldest >= types::limits::SESSION_OUTCOMES as u64 - 1
        {
            return Err(Code::TooManyRequests);
        }
        tags.last += 1;
        let sequence = tags.last;
        tags.outstanding.insert(sequence, waiter);
        let acknowledged = tags.outstanding.first_key_value().map_or(0, |(oldest, _)| oldest - 1);
        let tag = SessionTag { client, sequence, acknowledged, again: false };
        drop(tags);
        Ok(Self { tags: shared, tag, done: false })
    }

    /// The outcome was told, and with it the number was given up.
    pub(crate) fn is_done(&mut self) {
        self.done = true;
    }
}

impl Drop for TagGuard {
    fn drop(&mut self) {
        if !self.done {
            self.tags.lock().outstanding.remove(&self.tag.sequence);
        }
    }
}
