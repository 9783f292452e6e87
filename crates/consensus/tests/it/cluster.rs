//! A cluster in one thread: replicas, their disks, and a network that is a queue. It checks, at every
//! step, that a term has one leader and that all state machines apply the same history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consensus::{
    Config, Guards, LogFailure, LogReader, Message, ReadContext, Ready, Replica, Role,
    SnapshotMeta, SnapshotRequest, Start,
};
use types::{ConfState, Entry, EntryKind, HardState, Incarnation, Index, PeerId, RegionId, Term};

/// A node's durable log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) prev: (Index, Term),
    pub(crate) entries: Vec<Entry>,
    pub(crate) broken: bool,
    pub(crate) reads: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<Mutex<Log>>);

impl LogReader for Shared {
    fn entries(&self, low: Index, high: Index, max: u64) -> Result<Vec<Entry>, LogFailure> {
        let mut log = self.0.lock().unwrap();
        if log.broken {
            return Err(LogFailure("bad checksum".to_owned()));
        }
        log.reads += 1;
        let skip = (low.0 - log.prev.0.0 - 1) as usize;
        let (mut bytes, mut out) = (0, Vec::new());
        for entry in log.entries.iter().skip(skip).take((high.0 - low.0) as usize) {
            bytes += entry.data.len() as u64;
            if !out.is_empty() && bytes > max {
                break;
            }
            out.push(entry.clone());
        }
        Ok(out)
    }
}

impl Log {
    fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let keep = first.index.0.checked_sub(self.prev.0.0 + 1).expect("entries before the log");
        assert!(keep as usize <= self.entries.len(), "a gap before {}", first.index);
        self.entries.truncate(keep as usize);
        self.entries.extend_from_slice(entries);
    }
}

/// One node: a replica, a disk, a state machine.
pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    pub(crate) log: Shared,
    pub(crate) hard: HardState,
    pub(crate) conf: ConfState,
    pub(crate) applied: Index,
    pub(crate) state: Vec<(Index, Bytes)>,
    pub(crate) queue: VecDeque<Ready>,
    /// Writes wait for `flush`.
    pub(crate) hold_writes: bool,
    /// Committed entries wait for `apply`.
    pub(crate) hold_apply: bool,
    pub(crate) unapplied: VecDeque<Entry>,
    pub(crate) reads: Vec<(ReadContext, Index)>,
    pub(crate) reads_failed: Vec<ReadContext>,
    pub(crate) wanted: Vec<SnapshotRequest>,
    pub(crate) runs: u64,
    /// What survives a loss of power: the hard state as last synced, the engine as last synced.
    pub(crate) synced: HardState,
    pub(crate) saved: (Index, Vec<(Index, Bytes)>, ConfState),
}

impl Node {
    /// Syncs the engine.
    pub(crate) fn save(&mut self) {
        self.saved = (self.applied, self.state.clone(), self.conf.clone());
    }

    pub(crate) fn replica(&mut self) -> &mut Replica {
        self.replica.as_mut().expect("the node is down")
    }

    fn start(&self) -> Start {
        let log = self.log.0.lock().unwrap();
        let end = log.entries.last().map_or(log.prev, |entry| (entry.index, entry.term));
        Start {
            hard_state: self.hard,
            conf_state: self.conf.clone(),
            first: log.prev.0.next(),
            prev_term: log.prev.1,
            last: end.0,
            last_term: end.1,
            applied: self.applied,
            fresh: false,
        }
    }

    pub(crate) fn values(&self) -> Vec<String> {
        self.state.iter().map(|(_, data)| String::from_utf8_lossy(data).into_owned()).collect()
    }
}

type Lose = Box<dyn Fn(&Message) -> bool>;

pub(crate) struct Cluster {
    pub(crate) nodes: BTreeMap<u64, Node>,
    pub(crate) net: VecDeque<Message>,
    pub(crate) cut: BTreeSet<(u64, u64)>,
    /// Messages the network loses, beside those on cut links.
    pub(crate) lose: Option<Lose>,
    pub(crate) trace: Vec<String>,
    pub(crate) config: Config,
    /// What a node that takes snapshots by itself does.
    pub(crate) auto_snapshot: bool,
    leaders: BTreeMap<Term, PeerId>,
    pub(crate) history: BTreeMap<Index, (Term, Bytes)>,
}

pub(crate) fn config(guards: Guards) -> Config {
    Config { guards, ..Config::new(RegionId(7), PeerId(1), 42, Incarnation(0)) }
}

pub(crate) fn voters(ids: &[u64]) -> ConfState {
    ConfState { voters: ids.iter().copied().map(PeerId).collect(), ..ConfState::default() }
}

impl Cluster {
    pub(crate) fn new(ids: &[u64]) -> Self {
        Self::with(ids, config(Guards::default()))
    }

    pub(crate) fn with(ids: &[u64], config: Config) -> Self {
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            net: VecDeque::new(),
            cut: BTreeSet::new(),
            lose: None,
            trace: Vec::new(),
            config,
            auto_snapshot: true,
            leaders: BTreeMap::new(),
            history: BTreeMap::new(),
        };
        for id in ids {
            cluster.add(*id, voters(ids));
        }
        cluster
    }

    /// Three voters, peer 1 leading, its first entry applied everywhere.
    pub(crate) fn led(ids: &[u64], config: Config) -> Self {
        let mut cluster = Self::with(ids, config);
        cluster.elect(ids[0]);
        cluster
    }

    pub(crate) fn add(&mut self, id: u64, conf: ConfState) {
        let start =
            if conf == ConfState::default() { Start::default() } else { Start::bootstrap(conf) };
        let log = Shared::default();
        log.0.lock().unwrap().prev = (start.last, start.last_term);
        let node = Node {
            replica: None,
            log,
            hard: start.hard_state,
            synced: start.hard_state,
            saved: (start.applied, Vec::new(), start.conf_state.clone()),
            conf: start.conf_state,
            applied: start.applied,
            state: Vec::new(),
            queue: VecDeque::new(),
            hold_writes: false,
            hold_apply: false,
            unapplied: VecDeque::new(),
            reads: Vec::new(),
            reads_failed: Vec::new(),
            wanted: Vec::new(),
            runs: 0,
        };
        self.nodes.insert(id, node);
        self.start(id);
    }

    /// Starts a node from its disk.
    pub(crate) fn start(&mut self, id: u64) {
        let config = self.config.clone();
        let node = self.nodes.get_mut(&id).unwrap();
        node.runs += 1;
        let (peer, incarnation) = (PeerId(id), Incarnation(node.runs));
        let config = Config { peer, incarnation, ..config };
        let start = node.start();
        self.trace.push(format!("{id} starts: {:?} applied {}", start.hard_state, start.applied));
        let log = Box::new(node.log.clone());
        node.replica = Some(Replica::new(config, start, log).unwrap());
    }

    /// Stops a node; what is not on its disk is lost.
    pub(crate) fn crash(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.replica = None;
        node.queue.clear();
        node.unapplied.clear();
        self.trace.push(format!("{id} crashes"));
    }

    /// As a crash, and what was written without a sync is lost too.
    pub(crate) fn lose_power(&mut self, id: u64) {
        self.crash(id);
        let node = self.node(id);
        node.hard = node.synced;
        (node.applied, node.state, node.conf) = node.saved.clone();
    }

    pub(crate) fn restart(&mut self, id: u64) {
        self.crash(id);
        self.start(id);
    }

    pub(crate) fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    pub(crate) fn replica(&mut self, id: u64) -> &mut Replica {
        self.node(id).replica()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn leader(&mut self) -> Option<u64> {
        let mut leaders: Vec<_> = self
            .nodes
            .iter()
            .filter_map(|(id, node)| Some((*id, node.replica.as_ref()?)))
            .filter(|(_, replica)| replica.is_leader())
            .map(|(id, replica)| (replica.term(), id))
            .collect();
        leaders.sort_unstable();
        leaders.pop().map(|(_, id)| id)
    }

    /// Carries out everything the node wants done.
    pub(crate) fn drain(&mut self, id: u64) {
        while let Some(ready) =
            self.nodes.get_mut(&id).unwrap().replica.as_mut().and_then(Replica::ready)
        {
            self.observe(id, &ready);
            let node = self.nodes.get_mut(&id).unwrap();
            node.reads.extend(ready.reads.iter().copied());
            node.reads_failed.extend(ready.reads_failed.iter().copied());
            node.wanted.extend(ready.wants_snapshot);
            let mut ready = ready;
            self.net.extend(core::mem::take(&mut ready.messages));
            let committed = core::mem::take(&mut ready.committed);
            node.queue.push_back(ready);
            if !node.hold_writes {
                self.flush(id);
            }
            let node = self.nodes.get_mut(&id).unwrap();
            node.unapplied.extend(committed);
            if !node.hold_apply {
                self.apply(id);
            }
            if self.auto_snapshot {
                self.snapshot(id);
            }
        }
    }

    /// Makes everything waiting durable.
    pub(crate) fn flush(&mut self, id: u64) {
        while self.flush_one(id) {}
    }

    /// Makes the oldest waiting write durable.
    pub(crate) fn flush_one(&mut self, id: u64) -> bool {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(ready) = node.queue.pop_front() else { return false };
        if let Some(snapshot) = &ready.snapshot {
            let mut log = node.log.0.lock().unwrap();
            log.prev = (snapshot.index, snapshot.term);
            log.entries.clear();
            drop(log);
            node.unapplied.retain(|entry| entry.index > snapshot.index);
            node.state = unpack(&snapshot.data);
            node.conf = snapshot.conf_state.clone();
            node.applied = snapshot.index;
            node.save();
        }
        node.log.0.lock().unwrap().append(&ready.entries);
        node.hard = ready.hard_state.unwrap_or(node.hard);
        if ready.must_sync {
            node.synced = node.hard;
        }
        let replica = node.replica.as_mut().unwrap();
        replica.persisted(ready.number);
        if let Some(snapshot) = &ready.snapshot {
            replica.applied(snapshot.index);
        }
        self.net.extend(ready.messages_after_persist);
        true
    }

    /// Applies everything waiting.
    pub(crate) fn apply(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        while let Some(entry) = node.unapplied.pop_front() {
            assert_eq!(entry.index, node.applied.next(), "node {id} applies out of order");
            let known =
                self.history.entry(entry.index).or_insert_with(|| (entry.term, entry.data.clone()));
            assert_eq!(*known, (entry.term, entry.data.clone()), "node {id} at {}", entry.index);
            let replica = node.replica.as_mut().unwrap();
            match entry.kind {
                EntryKind::ConfChange => {
                    let (_, context) = consensus::ConfChange::decode(&entry).unwrap();
                    match replica.apply_conf_change(&entry, context != "reject") {
                        Ok(conf) => node.conf = conf,
                        Err(consensus::Error::Superseded) => {
                            node.unapplied.clear();
                            return;
                        }
                        Err(error) => panic!("node {id} at {}: {error}", entry.index),
                    }
                }
                EntryKind::Normal if entry.data.is_empty() => {}
                EntryKind::Normal => node.state.push((entry.index, entry.data.clone())),
            }
            node.applied = entry.index;
            replica.applied(entry.index);
        }
    }

    /// Answers what the node's replica asked for last.
    pub(crate) fn snapshot(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        if node.wanted.drain(..).next().is_none() {
            return;
        }
        let snapshot = SnapshotMeta {
            index: node.applied,
            term: self.history.get(&node.applied).map_or(Term(1), |known| known.0),
            conf_state: node.conf.clone(),
            data: pack(&node.state),
        };
        let _ = node.replica().provide_snapshot(snapshot);
    }

    /// Cuts the log of a node up to what is durably applied.
    pub(crate) fn compact(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.save();
        let to = node.replica().safe_to_compact().min(node.applied);
        node.replica().compact(to);
        let mut log = node.log.0.lock().unwrap();
        let count = to.0.saturating_sub(log.prev.0.0) as usize;
        if count > 0 {
            log.prev = (log.entries[count - 1].index, log.entries[count - 1].term);
            log.entries.drain(..count);
        }
    }

    fn observe(&mut self, id: u64, ready: &Ready) {
        if let Some((role, leader, term)) = ready.role_change {
            if role == Role::Leader {
                let first = *self.leaders.entry(term).or_insert(PeerId(id));
                assert_eq!(first, PeerId(id), "two leaders in term {term}");
            }
            self.trace.push(format!("{id} is {role:?} of {leader:?} in term {term}"));
        }
        for message in ready.messages.iter().chain(&ready.messages_after_persist) {
            self.trace.push(format!("  {message:?}"));
        }
        for entry in &ready.committed {
            self.trace.push(format!("{id} commits {}/{}", entry.index, entry.term));
        }
    }

    /// Delivers one message, or loses it.
    pub(crate) fn deliver(&mut self, message: Message) {
        let (from, to) = (message.from().0, message.to().0);
        let up = self.nodes.get(&to).is_some_and(|node| node.replica.is_some());
        let lost = !up
            || self.cut.contains(&(from, to))
            || self.lose.as_ref().is_some_and(|lose| lose(&message));
        let is_snapshot = message.is_snapshot();
        if !lost {
            // Everything crosses the wire as bytes.
            let bytes = message.encode();
            let copy = Message::decode(&bytes).expect("own messages are well formed");
            assert_eq!(copy, message);
            match self.replica(to).step(copy) {
                Ok(()) | Err(consensus::Error::NoSuchPeer(_)) => {}
                Err(error) => panic!("{to} refused {message:?}: {error}"),
            }
            self.drain(to);
        }
        if is_snapshot && let Some(replica) = self.node(from).replica.as_mut() {
            replica.report_snapshot(PeerId(to), !lost);
            self.drain(from);
        }
    }

    /// Delivers until nothing is under way.
    pub(crate) fn settle(&mut self) {
        for id in self.ids() {
            self.drain(id);
        }
        for _ in 0..100_000 {
            let Some(message) = self.net.pop_front() else { return };
            self.deliver(message);
        }
        panic!("the network does not come to rest");
    }

    /// One tick everywhere, then everything delivered.
    pub(crate) fn tick(&mut self) {
        for id in self.ids() {
            if let Some(replica) = self.node(id).replica.as_mut() {
                replica.tick();
            }
            self.drain(id);
        }
        self.settle();
    }

    pub(crate) fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.tick();
        }
    }

    /// Lets the node win an election now.
    pub(crate) fn elect(&mut self, id: u64) {
        self.replica(id).campaign().unwrap();
        self.settle();
        assert!(self.replica(id).is_leader(), "{id} was not elected");
    }

    pub(crate) fn propose(&mut self, id: u64, data: &str) -> Index {
        let data = Bytes::copy_from_slice(data.as_bytes());
        let (_, index) = self.replica(id).propose(data).unwrap();
        self.drain(id);
        index
    }

    /// Proposes and delivers everything.
    pub(crate) fn put(&mut self, id: u64, data: &str) -> Index {
        let index = self.propose(id, data);
        self.settle();
        index
    }

    pub(crate) fn isolate(&mut self, id: u64) {
        for other in self.ids() {
            self.cut.insert((id, other));
            self.cut.insert((other, id));
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.lose = None;
    }

    /// Whether all nodes that are up applied the same.
    pub(crate) fn agree(&self) -> bool {
        let mut states = self.nodes.values().map(|node| (node.applied, &node.state));
        let first = states.next();
        states.all(|state| Some(state) == first)
    }
}

fn pack(state: &[(Index, Bytes)]) -> Bytes {
    let mut out = Vec::new();
    for (index, data) in state {
        out.extend_from_slice(&index.0.to_be_bytes());
        out.extend_from_slice(&(data.len() as u32).to_be_bytes());
        out.extend_from_slice(data);
    }
    out.into()
}

fn unpack(mut data: &[u8]) -> Vec<(Index, Bytes)> {
    let mut state = Vec::new();
    while let Some((index, rest)) = data.split_first_chunk() {
        let (len, rest) = rest.split_first_chunk().unwrap();
        let (value, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        state.push((Index(u64::from_be_bytes(*index)), Bytes::copy_from_slice(value)));
        data = rest;
    }
    state
}
