//! One replica with its disk, driven as the contract of `consensus::Ready` asks for.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{ConfChange, Config, Error, Guards, Message, ReadContext, Ready, Replica, Role};
use types::{ConfState, Entry, EntryKind, HardState, Incarnation, Index, PeerId, RegionId, Term};

use super::Event;
use super::disk::{Disk, Engine, Write};
use super::lease::Lease;
use super::stage::Stage;
use crate::mutant::Mutant;
use crate::trace::{hash, mix};

/// A tick of a node's clock, in microseconds.
pub(super) const TICK: u64 = 20_000;
/// Silence after which an election starts, at least.
pub(super) const ELECTION_TICKS: usize = 10;
pub(super) const PROMISE_TICKS: usize = 5;

/// A read that waits for its index.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// What was committed when it was asked for.
    committed: Index,
    term: Term,
    /// When, by this node's clock.
    at: u64,
    /// Which time it was that its heartbeats bind, if they did.
    binding: Option<u64>,
}

/// A batch under way to the disk.
#[derive(Default)]
struct Writing {
    sync: bool,
    writes: usize,
    last: u64,
    snapshot: Option<Engine>,
    messages: Vec<Message>,
}

/// One replica and all it has.
pub(super) struct Node {
    pub(super) peer: PeerId,
    pub(super) disk: Disk,
    /// Millionths of true time that its clock runs at.
    rate: u64,
    pub(super) life: u64,
    pub(super) replica: Option<Replica>,
    /// Its hard state as it was given to the disk last, and as it is.
    kept: HardState,
    newest: HardState,
    pub(super) slow_until: u64,
    /// From when to when no sync ends.
    pub(super) hangs: (u64, u64),
    pub(super) paused_until: u64,
    to_write: VecDeque<(Write, Vec<Message>)>,
    writing: Option<Writing>,
    to_apply: VecDeque<(Entry, Option<ConfState>)>,
    apply_due: bool,
    asked: BTreeMap<ReadContext, Asked>,
    pub(super) lease: Lease,
}

impl Node {
    pub(super) fn new(peer: PeerId, rate: u64, disk: Disk) -> Self {
        Self {
            peer,
            disk,
            rate,
            life: 0,
            replica: None,
            kept: HardState::default(),
            newest: HardState::default(),
            slow_until: 0,
            hangs: (0, 0),
            paused_until: 0,
            to_write: VecDeque::new(),
            writing: None,
            to_apply: VecDeque::new(),
            apply_due: false,
            asked: BTreeMap::new(),
            lease: Lease::default(),
        }
    }

    /// Microseconds by this node's clock.
    pub(super) fn clock(&self, stage: &Stage) -> u64 {
        stage.now * self.rate / 1_000_000
    }

    fn real(&self, micros: u64) -> u64 {
        micros * 1_000_000 / self.rate
    }

    fn coming(&self) -> impl Iterator<Item = &Write> {
        self.to_write.iter().map(|(write, _)| write)
    }

    pub(super) fn start(&mut self, stage: &mut Stage) {
        if self.replica.is_some() {
            return;
        }
        let incarnation = Incarnation(mix(self.peer.get(), stage.random.next()));
        let guards = match stage.mutant {
            Some(Mutant::Guard(name)) => Guards::without(name).unwrap_or_default(),
            _ => Guards::default(),
        };
        let config = Config {
            election_ticks: ELECTION_TICKS,
            promise_ticks: PROMISE_TICKS,
            max_message_bytes: 128,
            max_inflight_messages: 4,
            max_uncommitted_bytes: 1 << 20,
            max_committed_bytes_per_ready: 256,
            cache_bytes: 512,
            guards,
            ..Config::new(RegionId(1), self.peer, incarnation.get(), incarnation)
        };
        let start = self.disk.start();
        (self.kept, self.newest) = (start.hard_state, start.hard_state);
        stage.note(self.peer, "starts", [start.last.get(), start.hard_state.term.get()]);
        match Replica::new(config, start, Box::new(self.disk.reader())) {
            Ok(replica) => self.replica = Some(replica),
            Err(error) => stage.fail("restart", format!("{}: {error}", self.peer)),
        }
        let delay = stage.between(1, TICK);
        stage.after(delay, Event::Tick { peer: self.peer, life: self.life });
        self.drain(stage);
    }

    /// The process ends, or the machine with it.
    pub(super) fn crash(&mut self, stage: &mut Stage, power: bool) {
        if self.replica.take().is_none() {
            return;
        }
        stage.note(self.peer, if power { "power cut" } else { "killed" }, [self.life, 0]);
        let batch = self.writing.take().map_or(0, |writing| writing.writes);
        if power {
            stage.counts.power_cuts += 1;
            self.disk.lose_power(&mut stage.random);
        } else {
            stage.counts.kills += 1;
            for other in (1..=super::PEERS).map(PeerId).filter(|other| *other != self.peer) {
                stage.break_link(self.peer, other);
            }
            self.disk.kill(batch, &mut stage.random);
        }
        self.life += 1;
        self.to_write.clear();
        self.to_apply.clear();
        self.apply_due = false;
        self.asked.clear();
        self.lease = Lease::default();
        self.paused_until = 0;
    }

    /// The connection from another one broke.
    pub(super) fn link_broke(&mut self, stage: &mut Stage, from: PeerId) {
        if let Some(replica) = self.replica.as_mut().filter(|it| it.leader() == Some(from)) {
            replica.orphan();
            self.drain(stage);
        }
    }

    pub(super) fn tick(&mut self, stage: &mut Stage) {
        let again = self.real(TICK);
        stage.after(again, Event::Tick { peer: self.peer, life: self.life });
        if let Some(replica) = &mut self.replica {
            replica.tick();
        }
        self.drain(stage);
    }

    pub(super) fn deliver(&mut self, stage: &mut Stage, bytes: Bytes) {
        let Some(replica) = &mut self.replica else { return };
        match Message::decode_shared(bytes) {
            Err(error) => stage.fail("wire format", error.to_string()),
            Ok(message) => match replica.step(message) {
                Err(error @ Error::LostLog { .. }) => {
                    stage.fail("durable log", format!("{}: {error}", self.peer));
                }
                Err(error) => {
                    stage.note(self.peer, "refuses", [hash(error.to_string().as_bytes()), 0])
                }
                Ok(()) => {}
            },
        }
        self.drain(stage);
    }

    /// Carries out everything the replica wants done.
    pub(super) fn drain(&mut self, stage: &mut Stage) {
        while stage.failure.is_none() {
            let Some(ready) = self.replica.as_mut().and_then(Replica::ready) else { break };
            self.carry_out(stage, ready);
        }
        if let Some(failure) = self.replica.as_ref().and_then(Replica::failure) {
            stage.fail("no replica breaks", format!("{}: {failure}", self.peer));
        }
        self.start_writing(stage);
    }

    /// What `region` writes of the hard state: the commit index not alone, and the newest with every entry.
    fn due(&mut self, stage: &Stage, ready: &Ready) -> Option<HardState> {
        let new = ready.hard_state.unwrap_or(self.newest);
        self.newest = new;
        let is_due = ready.must_sync
            || !ready.entries.is_empty()
            || ready.snapshot.is_some()
            || (new.term, new.vote) != (self.kept.term, self.kept.vote);
        let is_left = stage.mutant == Some(Mutant::Host("commit_with_entries"));
        let told = ready.hard_state.is_some() || !is_left;
        let due = (is_due && told && new != self.kept).then_some(new);
        self.kept = due.unwrap_or(self.kept);
        due
    }

    fn carry_out(&mut self, stage: &mut Stage, mut ready: Ready) {
        for message in std::mem::take(&mut ready.messages) {
            self.send(stage, &message);
        }
        if ready.wants_snapshot.is_some() {
            let delay = stage.between(500, 20_000);
            stage.after(delay, Event::Export { peer: self.peer, life: self.life });
        }
        if ready.awaits_disk() {
            let messages = std::mem::take(&mut ready.messages_after_persist);
            if stage.mutant == Some(Mutant::ForgetVotes)
                && let Some(hard) = &mut ready.hard_state
            {
                hard.vote = None;
            }
            let snapshot = ready.snapshot.clone();
            let covered = snapshot.as_ref().map_or(Index(0), |meta| meta.index);
            self.to_apply.retain(|(entry, _)| entry.index > covered);
            let hard = self.due(stage, &ready);
            let write = Write {
                number: ready.number,
                hard,
                entries: std::mem::take(&mut ready.entries),
                snapshot,
                sync: ready.must_sync,
            };
            self.to_write.push_back((write, messages));
        }
        if let Some((role, leader, term)) = ready.role_change {
            self.take_role(stage, role, leader, term);
        }
        self.take_reads(stage, &ready);
        self.take_committed(stage, ready.committed);
    }

    fn take_role(&mut self, stage: &mut Stage, role: Role, leader: Option<PeerId>, term: Term) {
        let leader = leader.map_or(0, PeerId::get);
        stage.note(self.peer, "is now", [(role as u64) << 8 | leader, term.get()]);
        if role != Role::Leader {
            return;
        }
        stage.counts.elections += 1;
        let log = self.disk.log(self.coming());
        let verdict = stage.oracles.leads(self.peer, term, &log);
        stage.judge("election safety", verdict);
        stage.elected = Some((self.peer, term));
    }

    fn take_reads(&mut self, stage: &mut Stage, ready: &Ready) {
        for (context, index) in &ready.reads {
            let Some(asked) = self.asked.remove(context) else { continue };
            stage.counts.reads += 1;
            let verdict = super::Oracles::reads(self.peer, asked.committed, *index, "read");
            stage.judge("linearizable reads", verdict);
            let leads = self.replica.as_ref().is_some_and(Replica::is_leader);
            if leads {
                let now = self.clock(stage);
                let from =
                    if stage.mutant == Some(Mutant::LeaseFromAnswer) { now } else { asked.at };
                let binding = self.replica.as_ref().and_then(Replica::binding);
                if binding.is_some() && binding == asked.binding {
                    self.lease.confirmed(asked.term, from);
                    stage.confirmed = Some(self.peer);
                }
            }
        }
        for context in &ready.reads_failed {
            self.asked.remove(context);
        }
    }

    fn take_committed(&mut self, stage: &mut Stage, entries: Vec<Entry>) {
        for entry in entries {
            let term = self.replica.as_ref().map_or(Term(0), Replica::term);
            let (disk, coming) = (&self.disk, self.coming());
            let verdict = stage.oracles.commits(self.peer, (&entry, term), disk, coming);
            stage.judge("committed entries never change", verdict);
            let mut changed = None;
            if entry.kind == EntryKind::ConfChange {
                let Some(replica) = &mut self.replica else { return };
                let conf = match replica.apply_conf_change(&entry, true) {
                    Ok(conf) => conf,
                    Err(Error::InvalidConfChange(_)) => replica.configuration(),
                    Err(Error::Superseded) => return,
                    Err(error) => {
                        stage.fail("no replica breaks", format!("{}: {error}", self.peer));
                        return;
                    }
                };
                stage.note(
                    self.peer,
                    "changes peers",
                    [entry.index.get(), conf.voters.len() as u64],
                );
                let verdict = stage.oracles.changes(self.peer, &entry, &conf, &self.disk);
                stage.judge("durable changes", verdict);
                changed = Some(conf);
            }
            self.to_apply.push_back((entry, changed));
        }
        if !self.apply_due && !self.to_apply.is_empty() {
            self.apply_due = true;
            let slow = stage.now < self.slow_until;
            let delay = stage.between(10, if slow { 60_000 } else { 2_000 });
            stage.after(delay, Event::Apply { peer: self.peer, life: self.life });
        }
    }

    /// The state machine takes what waits.
    pub(super) fn apply(&mut self, stage: &mut Stage) {
        self.apply_due = false;
        let mut engine = self.disk.engine.clone();
        for (entry, conf) in self.to_apply.drain(..) {
            if entry.index <= engine.applied {
                continue;
            }
            if entry.index != engine.applied.next() {
                let (peer, applied) = (self.peer, engine.applied);
                stage
                    .fail("apply order", format!("{peer} applies {} after {applied}", entry.index));
                return;
            }
            engine.digest = mix(engine.digest, hash(&entry.data));
            (engine.applied, engine.term) = (entry.index, entry.term);
            engine.conf = conf.unwrap_or(engine.conf);
            stage.applied(self.peer, &entry);
            self.disk.applied(engine.clone());
        }
        let applied = engine.applied;
        if let Some(replica) = &mut self.replica {
            replica.applied(applied);
        }
        self.drain(stage);
    }

    fn start_writing(&mut self, stage: &mut Stage) {
        if self.writing.is_some() || self.to_write.is_empty() {
            return;
        }
        let mut writing = Writing::default();
        for (write, messages) in self.to_write.drain(..) {
            writing.sync |= write.sync;
            writing.writes += 1;
            writing.last = write.number;
            if let Some(meta) = &write.snapshot {
                writing.snapshot = Some(Engine::of_snapshot(meta));
            }
            writing.messages.extend(messages);
            self.disk.write(write);
        }
        let delay = match (writing.sync, stage.now < self.slow_until) {
            (false, _) => stage.between(5, 60),
            (true, _) if (self.hangs.0..self.hangs.1).contains(&stage.now) => {
                self.hangs.1 - stage.now
            }
            (true, true) => stage.between(20_000, 900_000),
            (true, false) => stage.between(80, 3_000),
        };
        if stage.mutant == Some(Mutant::AckBeforeSync) {
            self.acknowledge(stage, &mut writing);
        }
        self.writing = Some(writing);
        stage.after(delay, Event::Synced { peer: self.peer, life: self.life });
    }

    pub(super) fn synced(&mut self, stage: &mut Stage) {
        let Some(mut writing) = self.writing.take() else { return };
        if writing.sync {
            // Not before: what a sole voter appends and loses before anybody heard of it never was.
            for write in self.disk.unsynced() {
                let verdict = stage.oracles.appends(self.peer, &write.entries);
                stage.judge("log matching", verdict);
            }
            self.disk.sync();
        }
        self.acknowledge(stage, &mut writing);
        self.drain(stage);
    }

    fn acknowledge(&mut self, stage: &mut Stage, writing: &mut Writing) {
        for message in writing.messages.drain(..) {
            self.send(stage, &message);
        }
        if let Some(engine) = writing.snapshot.take()
            && engine.applied > self.disk.engine.applied
        {
            stage.counts.snapshots_installed += 1;
            stage.note(self.peer, "installs", [engine.applied.get(), engine.term.get()]);
            self.to_apply.retain(|(entry, _)| entry.index > engine.applied);
            self.disk.applied(engine);
            if stage.random.chance(70) {
                self.disk.persist();
            }
        }
        if let Some(replica) = &mut self.replica {
            replica.persisted(std::mem::take(&mut writing.last));
            let applied = self.disk.engine.applied;
            replica.applied(applied);
        }
    }

    fn send(&self, stage: &mut Stage, message: &Message) {
        let verdict = stage.oracles.sends(message, &self.disk, self.coming());
        stage.judge("durable promises", verdict);
        stage.send(message, self.life);
    }
}

/// What the others ask of a node.
impl Node {
    pub(super) fn export(&mut self, stage: &mut Stage) {
        let Engine { applied, term, conf, digest } = self.disk.engine.clone();
        let data = Bytes::copy_from_slice(&digest.to_be_bytes());
        let meta = consensus::SnapshotMeta { index: applied, term, conf_state: conf, data };
        if let Some(replica) = &mut self.replica {
            // Refused when nobody needs it any more.
            drop(replica.provide_snapshot(meta));
        }
        stage.counts.snapshots_sent += 1;
        self.drain(stage);
    }

    pub(super) fn compact(&mut self, stage: &mut Stage) {
        let Some(replica) = self.replica.as_mut().filter(|_| self.writing.is_none()) else {
            return;
        };
        let to = replica.safe_to_compact().min(self.disk.engine.applied);
        let keep = stage.random.below(12);
        let to = Index(to.get().saturating_sub(keep));
        stage.counts.log_cuts += 1;
        self.disk.persist();
        replica.compact(to);
        self.disk.cut(to);
        self.drain(stage);
    }

    pub(super) fn ask(&mut self, stage: &mut Stage) {
        let Some(replica) = &mut self.replica else { return };
        if stage.random.chance(20) {
            replica.bind();
        }
        if let Ok(context) = replica.read_index() {
            let (committed, term) = (stage.oracles.last(), replica.term());
            let binding = replica.binding();
            let at = self.clock(stage);
            self.asked.insert(context, Asked { committed, term, at, binding });
        }
        self.drain(stage);
    }

    /// Renews the lease of one that leads.
    pub(super) fn ask_leader(&mut self, stage: &mut Stage) {
        if self.replica.as_ref().is_some_and(Replica::is_leader) {
            self.ask(stage);
        }
    }

    /// Reads at once, if it holds a lease.
    pub(super) fn read_by_lease(&mut self, stage: &mut Stage) {
        let now = self.clock(stage);
        let Some(replica) = self.replica.as_ref().filter(|it| it.is_leader()) else { return };
        if self.lease.is_valid(replica.term(), now) {
            stage.counts.lease_reads += 1;
            let (committed, index) = (stage.oracles.last(), replica.commit_index());
            let verdict = super::Oracles::reads(self.peer, committed, index, "lease read");
            stage.judge("lease reads", verdict);
        }
    }

    pub(super) fn propose(&mut self, stage: &mut Stage, data: Bytes) {
        let Some(replica) = &mut self.replica else { return };
        if let Ok((term, index)) = replica.propose(data) {
            stage.proposed.insert((self.peer, index), term);
        }
        self.drain(stage);
    }

    pub(super) fn transfer(&mut self, stage: &mut Stage, to: PeerId) {
        let Some(replica) = &mut self.replica else { return };
        let term = replica.term();
        if replica.is_leader() && replica.transfer_leadership(to).is_ok() {
            stage.counts.transfers += 1;
            stage.note(self.peer, "hands over to", [to.get(), term.get()]);
            if stage.mutant != Some(Mutant::LeaseOverTransfer) {
                self.lease.forfeit(term);
            }
        }
        self.drain(stage);
    }

    pub(super) fn change(&mut self, stage: &mut Stage, change: ConfChange) {
        let Some(replica) = &mut self.replica else { return };
        let steps = change.steps().to_vec();
        let is_joint = matches!(change, ConfChange::Joint(_));
        if replica.propose_conf_change(change, Bytes::new()).is_ok() {
            stage.counts.conf_changes += 1;
            stage.counts.joint_changes += u64::from(is_joint);
            stage.note(self.peer, "proposes a change", [steps.len() as u64, steps[0].peer().get()]);
            let verdict = super::Oracles::proposes(self.peer, &steps);
            stage.judge("no leader removes itself", verdict);
        }
        self.drain(stage);
    }
}
