//! Three nodes with a host each, logs in memory, and a network that is a queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consensus::{Config, LogFailure, LogReader, Role, SnapshotMeta, Start};
use core::time::Duration;

use region::{Host, HostLimits, LeaderLease, LogWrite, Output, PeerStart, RegionMessage, Sleep};
use state::directory::RegionRecord;
use types::{
    Code, ConfState, Entry, EntryKind, Incarnation, Index, KeyspaceId, NodeId, PeerId, RegionId,
    Term,
};

pub(crate) const REGION: RegionId = RegionId(7);
pub(crate) const OTHER: RegionId = RegionId(8);

/// A region's log in memory, from index 2 on.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Entry>>>);

impl LogReader for Log {
    fn entries(&self, low: Index, high: Index, _: u64) -> Result<Vec<Entry>, LogFailure> {
        let log = self.0.lock().unwrap();
        Ok(log.iter().filter(|it| it.index >= low && it.index < high).cloned().collect())
    }
}

impl Log {
    fn write(&self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let mut log = self.0.lock().unwrap();
        log.retain(|entry| entry.index < first.index);
        log.extend_from_slice(entries);
    }
}

/// What a node was told, by who waits.
#[derive(Default, Debug)]
pub(crate) struct Told {
    pub(crate) committed: Vec<(RegionId, Bytes)>,
    pub(crate) answered: Vec<u32>,
    pub(crate) failed: Vec<(u32, Code)>,
    pub(crate) reads: Vec<(u32, Index)>,
    pub(crate) failed_reads: Vec<(u32, Code)>,
    pub(crate) quarantined: Vec<(RegionId, String)>,
    pub(crate) leads: BTreeMap<RegionId, Term>,
    pub(crate) leases: BTreeMap<RegionId, LeaderLease>,
}

/// What goes from node to node.
pub(crate) enum Packet {
    Raft(RegionMessage),
    Sleep(Sleep),
}

pub(crate) struct Node {
    pub(crate) host: Host<u32, u32>,
    logs: BTreeMap<RegionId, Log>,
    pub(crate) told: Told,
    /// Writes that are not durable yet.
    pub(crate) held_writes: Vec<LogWrite>,
    pub(crate) hold_writes: bool,
    /// Applied positions that were not reported.
    pub(crate) held_applied: Vec<(RegionId, Index)>,
    pub(crate) hold_applied: bool,
    pub(crate) cut_off: bool,
}

pub(crate) struct Bed {
    pub(crate) nodes: Vec<Node>,
    net: VecDeque<(NodeId, NodeId, Packet)>,
    limits: HostLimits,
    /// Two nodes that cannot reach each other, while both reach all others.
    pub(crate) apart: Option<[NodeId; 2]>,
    /// Packets sent so far.
    pub(crate) sent: usize,
    /// Ticks so far, 100 ms each on every clock.
    pub(crate) ticks: u64,
}

/// The number of a replica on node `id`, which had some of the region before.
pub(crate) fn peer(id: u64) -> PeerId {
    PeerId::on(NodeId(id), 7)
}

pub(crate) fn record(region: RegionId, nodes: u64) -> RegionRecord {
    let peers = (1..=nodes).map(|id| (peer(id), NodeId(id))).collect();
    RegionRecord { peers, ..RegionRecord::born(region, KeyspaceId(1), []) }
}

fn bootstrap(record: &RegionRecord) -> Start {
    let voters = record.peers.iter().map(|(peer, _)| *peer).collect();
    Start::bootstrap(ConfState { voters, ..ConfState::default() })
}

impl Bed {
    /// The node starts again with what is in its logs, all of it applied.
    pub(crate) fn restart(&mut self, at: usize) {
        let count = self.nodes.len() as u64;
        let limits = self.limits;
        let node = &mut self.nodes[at];
        let before = std::mem::replace(&mut node.host, Host::new(limits));
        node.told.leads.clear();
        for (region, log) in &node.logs {
            let status = before.peer(*region).unwrap().status();
            let record = record(*region, count);
            let start = Start {
                hard_state: status.hard_state,
                last: status.last,
                last_term: status.last_term,
                applied: status.applied,
                fresh: false,
                ..bootstrap(&record)
            };
            let config = Config::new(*region, status.peer, at as u64 + 1, Incarnation(99));
            let log = Box::new(log.clone());
            node.host.create(PeerStart { region: *region, config, start, log }).unwrap();
        }
    }

    /// `count` nodes, each with a replica of both regions.
    pub(crate) fn new(count: u64, limits: HostLimits) -> Self {
        Self::with(count, 2, limits)
    }

    /// `count` nodes, each with a replica of as many regions as `groups` says, from `REGION` on.
    pub(crate) fn with(count: u64, groups: u64, limits: HostLimits) -> Self {
        let mut bed = Self {
            nodes: Vec::new(),
            limits,
            net: VecDeque::new(),
            sent: 0,
            apart: None,
            ticks: 0,
        };
        for id in 1..=count {
            let mut node = Node {
                host: Host::new(limits),
                logs: BTreeMap::new(),
                told: Told::default(),
                held_writes: Vec::new(),
                hold_writes: false,
                held_applied: Vec::new(),
                hold_applied: false,
                cut_off: false,
            };
            for region in (0..groups).map(|group| RegionId(REGION.0 + group)) {
                let config = Config::new(region, peer(id), id, Incarnation(id));
                let log = Log::default();
                node.logs.insert(region, log.clone());
                let record = record(region, count);
                let start = bootstrap(&record);
                node.host.create(PeerStart { region, config, start, log: Box::new(log) }).unwrap();
            }
            bed.nodes.push(node);
        }
        bed.run();
        bed
    }

    /// One more node, with an empty replica of the first region that is in no configuration yet.
    pub(crate) fn newcomer(&mut self) {
        let id = self.nodes.len() as u64 + 1;
        let mut node = Node {
            host: Host::new(self.limits),
            logs: BTreeMap::new(),
            told: Told::default(),
            held_writes: Vec::new(),
            hold_writes: false,
            held_applied: Vec::new(),
            hold_applied: false,
            cut_off: false,
        };
        let log = Log::default();
        node.logs.insert(REGION, log.clone());
        let config = Config::new(REGION, PeerId::on(NodeId(id), 0), id, Incarnation(id));
        let start =
            PeerStart { region: REGION, config, start: Start::default(), log: Box::new(log) };
        node.host.create(start).unwrap();
        self.nodes.push(node);
    }

    /// Nodes of which the first leads both regions.
    pub(crate) fn led(count: u64, limits: HostLimits) -> Self {
        let mut bed = Self::new(count, limits);
        bed.nodes[0].host.campaign(REGION);
        bed.nodes[0].host.campaign(OTHER);
        bed.run();
        assert_eq!(bed.nodes[0].told.leads.len(), 2, "{:?}", bed.nodes[0].told);
        bed
    }

    /// Lets everything happen that is to happen without time going on.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            let mut quiet = true;
            for at in 0..self.nodes.len() {
                quiet &= !self.carry_out(at);
            }
            quiet &= self.net.is_empty();
            while let Some((from, to, packet)) = self.net.pop_front() {
                self.sent += 1;
                let at = to.get() as usize - 1;
                let apart =
                    self.apart.is_some_and(|pair| pair.contains(&from) && pair.contains(&to));
                if apart || self.nodes[at].cut_off || self.nodes[from.get() as usize - 1].cut_off {
                    continue;
                }
                match packet {
                    Packet::Raft(message) => {
                        let snapshot = message.message.is_snapshot();
                        let (region, peer) = (message.region, message.message.to());
                        match self.nodes[at].host.step(from, message) {
                            // A late answer of one that is no peer any more.
                            Ok(()) | Err(consensus::Error::NoSuchPeer(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                        if snapshot {
                            let sender = from.get() as usize - 1;
                            self.nodes[sender].host.snapshot_sent(region, peer, true);
                        }
                    }
                    Packet::Sleep(word) => self.nodes[at].host.sleep(from, word),
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the hosts do not come to rest");
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_millis(100 * self.ticks)
    }

    pub(crate) fn tick(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.ticks += 1;
            let now = self.now();
            for node in &mut self.nodes {
                node.host.now(now);
                node.host.tick();
            }
            self.run();
        }
    }

    /// Carries out what one host wants; answers whether there was anything.
    fn carry_out(&mut self, at: usize) -> bool {
        let from = NodeId(at as u64 + 1);
        let node = &mut self.nodes[at];
        let output = node.host.poll();
        let busy = !output.messages.is_empty()
            || !output.writes.is_empty()
            || !output.committed.is_empty();
        let Output { messages, writes, committed, sleep, .. } = output;
        for (region, term, why) in output.forfeited {
            node.told.leases.entry(region).or_default().forfeit(term, why);
        }
        for (region, term, began) in output.confirmed {
            node.told.leases.entry(region).or_default().confirmed(term, began);
        }
        let messages = messages.into_iter().map(|(to, message)| (from, to, Packet::Raft(message)));
        self.net.extend(messages);
        self.net.extend(sleep.into_iter().map(|(to, word)| (from, to, Packet::Sleep(word))));
        node.held_writes.extend(writes);
        for role in output.roles {
            if role.role == Role::Leader {
                node.told.leads.insert(role.region, role.term);
            } else {
                node.told.leads.remove(&role.region);
            }
        }
        for committed in committed {
            let waiting: BTreeMap<Index, u32> = committed.waiting.into_iter().collect();
            for entry in committed.entries {
                node.told.answered.extend(waiting.get(&entry.index));
                node.held_applied.push((committed.region, entry.index));
                if entry.kind == EntryKind::Normal && !entry.data.is_empty() {
                    node.told.committed.push((committed.region, entry.data));
                }
            }
        }
        for install in output.installs {
            node.held_applied.push((install.region, install.meta.index));
        }
        for region in output.snapshots_wanted {
            // Nobody asks for one but at rest here, where everything is applied.
            let status = node.host.peer(region).unwrap().status();
            let meta = SnapshotMeta {
                index: status.applied,
                term: status.last_term,
                conf_state: status.conf_state,
                data: Bytes::new(),
            };
            node.host.provide_snapshot(region, meta);
        }
        node.told.failed.extend(output.failed_proposals);
        node.told.reads.extend(output.reads.into_iter().map(|(_, index, read)| (read, index)));
        node.told.failed_reads.extend(output.failed_reads);
        node.told.quarantined.extend(output.quarantined);
        self.finish(at) || busy
    }

    /// Makes durable and reports applied, unless that is held back; answers whether it did.
    pub(crate) fn finish(&mut self, at: usize) -> bool {
        let from = NodeId(at as u64 + 1);
        let node = &mut self.nodes[at];
        let busy = (!node.hold_writes && !node.held_writes.is_empty())
            || (!node.hold_applied && !node.held_applied.is_empty());
        if !node.hold_writes {
            for write in std::mem::take(&mut node.held_writes) {
                node.logs[&write.region].write(&write.entries);
                let messages = write.messages.into_iter();
                self.net.extend(messages.map(|(to, message)| (from, to, Packet::Raft(message))));
                if let Some(number) = write.number {
                    node.host.persisted(write.region, number);
                }
            }
        }
        if !node.hold_applied {
            for (region, index) in std::mem::take(&mut node.held_applied) {
                node.host.applied(region, index);
            }
        }
        busy
    }

    pub(crate) fn propose(&mut self, at: usize, text: &'static str, waiting: u32) {
        self.nodes[at].host.propose(REGION, Bytes::from_static(text.as_bytes()), waiting);
    }

    /// What a node applied of the region.
    pub(crate) fn applied(&self, at: usize) -> Vec<String> {
        let committed = self.nodes[at].told.committed.iter();
        committed
            .filter(|(region, _)| *region == REGION)
            .map(|(_, data)| String::from_utf8_lossy(data).into_owned())
            .collect()
    }
}
