//! Hosts with clocks, disks and a network of their own, all moved by one seed: messages are late, lost and
//! doubled, nodes crash, pause and lose sight of one another.

use core::time::Duration;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consensus::{Config, LogFailure, LogReader, Role, Start};
use region::{ClockRules, Forfeit, Host, HostLimits, LeaderLease, LogWrite, PeerStart};
use types::{ConfState, Entry, HardState, Incarnation, Index, NodeId, PeerId, RegionId, Term};

use crate::bed::{Packet, peer, record};

pub(crate) const REGIONS: [RegionId; 2] = [RegionId(7), RegionId(8)];
/// Microseconds of a tick.
const TICK: u64 = 100_000;
pub(crate) const SECOND: u64 = 1_000_000;

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What survives a crash.
struct Disk {
    entries: Arc<Mutex<Vec<Entry>>>,
    hard_state: HardState,
    applied: Index,
}

struct Log(Arc<Mutex<Vec<Entry>>>);

impl LogReader for Log {
    fn entries(&self, low: Index, high: Index, _: u64) -> Result<Vec<Entry>, LogFailure> {
        let log = self.0.lock().unwrap();
        Ok(log.iter().filter(|it| it.index >= low && it.index < high).cloned().collect())
    }
}

pub(crate) struct Machine {
    pub(crate) host: Option<Host<u64, ()>>,
    life: u64,
    /// Thousandths of true time.
    rate: u64,
    /// The clock at true time 0.
    offset: u64,
    paused_until: u64,
    next_tick: u64,
    disks: BTreeMap<RegionId, Disk>,
    pub(crate) leases: BTreeMap<RegionId, LeaderLease>,
    pub(crate) leads: BTreeMap<RegionId, Term>,
    /// When each other node was last heard, by this clock, and in which life.
    heard: BTreeMap<usize, (u64, u64)>,
    lost: BTreeSet<usize>,
}

enum Event {
    Tick {
        node: usize,
        life: u64,
    },
    Durable {
        node: usize,
        life: u64,
        write: Box<LogWrite>,
    },
    Packet {
        from: usize,
        to: usize,
        lives: (u64, u64),
        packet: Box<Packet>,
    },
    Beat {
        from: usize,
        to: usize,
        life: u64,
    },
    /// The connection from there broke.
    Broken {
        from: usize,
        to: usize,
    },
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    pub(crate) nodes: Vec<Machine>,
    events: BTreeMap<u64, Event>,
    order: BinaryHeap<Reverse<(u64, u64)>>,
    last_event: u64,
    pub(crate) blocked: BTreeSet<(usize, usize)>,
    /// From whom everything takes long.
    pub(crate) slow: BTreeSet<usize>,
    pub(crate) stormy: bool,
    pub(crate) packets: usize,
    limits: HostLimits,
    rules: ClockRules,
    /// Every leader of every term, and the newest term that had one.
    elected: BTreeMap<(RegionId, Term), usize>,
    newest: BTreeMap<RegionId, Term>,
    history: BTreeMap<(RegionId, Index), Bytes>,
    /// What was answered.
    pub(crate) answered: BTreeSet<u64>,
    pub(crate) refused: usize,
    pub(crate) leases_seen: usize,
    pub(crate) naps: usize,
    pub(crate) elections: usize,
}

type Verdict = Result<(), String>;

impl World {
    pub(crate) fn new(seed: u64, count: usize, limits: HostLimits) -> Self {
        let mut dice = Dice(seed);
        let voters: Vec<PeerId> = (1..=count as u64).map(peer).collect();
        let conf_state = ConfState { voters, ..ConfState::default() };
        let first = Start::bootstrap(conf_state);
        let nodes = (0..count).map(|_| Machine {
            host: None,
            life: 0,
            rate: 900 + 200 * dice.below(2) * u64::from(dice.chance(80)) + dice.below(1),
            offset: dice.below(1_000 * SECOND),
            paused_until: 0,
            next_tick: 0,
            disks: REGIONS
                .map(|region| {
                    let hard_state = first.hard_state;
                    (region, Disk { entries: Arc::default(), hard_state, applied: Index(1) })
                })
                .into(),
            leases: BTreeMap::new(),
            leads: BTreeMap::new(),
            heard: BTreeMap::new(),
            lost: BTreeSet::new(),
        });
        let nodes = nodes.collect();
        let mut world = Self {
            now: 0,
            dice,
            nodes,
            events: BTreeMap::new(),
            order: BinaryHeap::new(),
            last_event: 0,
            blocked: BTreeSet::new(),
            slow: BTreeSet::new(),
            stormy: true,
            packets: 0,
            limits,
            rules: ClockRules::new(Duration::from_micros(TICK), 5),
            elected: BTreeMap::new(),
            newest: BTreeMap::new(),
            history: BTreeMap::new(),
            answered: BTreeSet::new(),
            refused: 0,
            leases_seen: 0,
            naps: 0,
            elections: 0,
        };
        (0..count).for_each(|at| world.start(at));
        world
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.last_event += 1;
        self.events.insert(self.last_event, event);
        self.order.push(Reverse((self.now + delay, self.last_event)));
    }

    fn clock(&self, at: usize) -> u64 {
        self.nodes[at].offset + self.now * self.nodes[at].rate / 1_000
    }

    pub(crate) fn start(&mut self, at: usize) {
        if self.nodes[at].host.is_some() {
            return;
        }
        let count = self.nodes.len() as u64;
        let clock = self.clock(at);
        let node = &mut self.nodes[at];
        node.life += 1;
        let mut host = Host::new(self.limits);
        host.now(Duration::from_micros(clock));
        for (region, disk) in &node.disks {
            let record = record(*region, count);
            let voters = record.peers.iter().map(|(peer, _)| *peer).collect();
            let fresh = Start::bootstrap(ConfState { voters, ..ConfState::default() });
            let entries = disk.entries.lock().unwrap();
            let (last, last_term) =
                entries.last().map_or((Index(1), Term(1)), |last| (last.index, last.term));
            let start = Start {
                hard_state: disk.hard_state,
                last,
                last_term,
                applied: disk.applied,
                fresh: node.life == 1,
                ..fresh
            };
            let peer = peer(at as u64 + 1);
            let incarnation = Incarnation(node.life * 10 + at as u64);
            let config = Config::new(*region, peer, incarnation.0, incarnation);
            let log = Box::new(Log(Arc::clone(&disk.entries)));
            host.create(PeerStart { region: *region, config, start, log }).unwrap();
        }
        node.host = Some(host);
        node.next_tick = clock + TICK;
        (node.heard, node.lost) = (BTreeMap::new(), BTreeSet::new());
        let life = node.life;
        self.after(TICK, Event::Tick { node: at, life });
    }

    pub(crate) fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.host = None;
        node.leads.clear();
        node.leases.clear();
        (0..self.nodes.len()).for_each(|to| self.break_link(at, to));
    }

    /// The connection between two nodes breaks, which they notice unless no word gets through.
    pub(crate) fn break_link(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            let notices = !self.blocked.contains(&(from, to)) && !self.dice.chance(10);
            if from != to && notices {
                let delay = self.delay(from);
                self.after(delay, Event::Broken { from, to });
            }
        }
    }

    pub(crate) fn pause(&mut self, at: usize, micros: u64) {
        let until = &mut self.nodes[at].paused_until;
        *until = (*until).max(self.now + micros);
    }

    /// Lets the world go on until `end`.
    pub(crate) fn run(&mut self, end: u64) -> Verdict {
        while let Some(Reverse((at, id))) = self.order.peek().copied()
            && at <= end
        {
            self.order.pop();
            self.now = at;
            let event = self.events.remove(&id).unwrap();
            let node = match &event {
                Event::Tick { node, .. } | Event::Durable { node, .. } => *node,
                Event::Packet { to, .. } | Event::Beat { to, .. } | Event::Broken { to, .. } => *to,
            };
            let until = self.nodes[node].paused_until;
            if until > self.now {
                // Under its number, so that a disk's writes stay in order.
                self.events.insert(id, event);
                self.order.push(Reverse((until, id)));
                continue;
            }
            self.handle(event);
            self.carry_out(node)?;
        }
        self.now = end;
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick { node, life } => {
                if self.nodes[node].life == life && self.nodes[node].host.is_some() {
                    self.tick(node);
                }
            }
            Event::Durable { node, life, write } => {
                if self.nodes[node].life == life && self.nodes[node].host.is_some() {
                    self.durable(node, *write);
                }
            }
            Event::Packet { from, to, lives, packet } => {
                self.packets += 1;
                // A connection ends with either of its ends.
                let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
                let is_open = lives == (sender.life, receiver.life);
                let clock = Duration::from_micros(self.clock(to));
                if let Some(host) = self.nodes[to].host.as_mut().filter(|_| is_open) {
                    host.now(clock);
                    let from = NodeId(from as u64 + 1);
                    match *packet {
                        Packet::Raft(message) => drop(host.step(from, message)),
                        Packet::Sleep(word) => host.sleep(from, word),
                    }
                }
            }
            Event::Beat { from, to, life } => self.hear(from, to, life),
            Event::Broken { from, to } => {
                let node = &mut self.nodes[to];
                if let Some(host) = node.host.as_mut()
                    && node.lost.insert(from)
                {
                    host.node_lost(NodeId(from as u64 + 1));
                }
            }
        }
    }

    /// A node's word that it is there. Another life is another node as far as promises go.
    fn hear(&mut self, from: usize, to: usize, life: u64) {
        let clock = self.clock(to);
        let node = &mut self.nodes[to];
        let Some(host) = node.host.as_mut() else { return };
        let id = NodeId(from as u64 + 1);
        let before = node.heard.insert(from, (clock, life));
        if before.is_some_and(|(_, known)| known < life) && node.lost.insert(from) {
            host.node_lost(id);
        }
        if node.lost.remove(&from) {
            host.node_back(id);
        }
    }

    fn tick(&mut self, at: usize) {
        let clock = self.clock(at);
        let count = self.nodes.len();
        let late = if self.dice.chance(10) { self.dice.below(TICK * 3 / 2) } else { 0 };
        let node = &mut self.nodes[at];
        let Some(host) = node.host.as_mut() else { return };
        host.now(Duration::from_micros(clock));
        host.tick();
        for other in 0..count {
            let (heard, _) = *node.heard.entry(other).or_insert((clock, 0));
            if other != at && clock - heard > 10 * TICK && node.lost.insert(other) {
                host.node_lost(NodeId(other as u64 + 1));
            }
        }
        // As the node's poller does it.
        node.next_tick += TICK;
        if node.next_tick < clock {
            node.next_tick = clock + TICK;
        }
        let delay = (node.next_tick - clock) * 1_000 / node.rate + 1;
        let life = node.life;
        self.after(delay + late, Event::Tick { node: at, life });
        for to in (0..count).filter(|to| *to != at) {
            let lost = self.stormy && self.dice.chance(5);
            if !lost && !self.blocked.contains(&(at, to)) {
                let delay = self.delay(at);
                self.after(delay, Event::Beat { from: at, to, life });
            }
        }
    }

    fn durable(&mut self, at: usize, write: LogWrite) {
        let life = self.nodes[at].life;
        let clock = Duration::from_micros(self.clock(at));
        let node = &mut self.nodes[at];
        let disk = node.disks.get_mut(&write.region).unwrap();
        if let Some(first) = write.entries.first() {
            let mut log = disk.entries.lock().unwrap();
            log.retain(|entry| entry.index < first.index);
            log.extend_from_slice(&write.entries);
        }
        if let Some(hard_state) = write.hard_state {
            disk.hard_state = hard_state;
        }
        let host = node.host.as_mut().unwrap();
        host.now(clock);
        if let Some(number) = write.number {
            host.persisted(write.region, number);
        }
        for (to, message) in write.messages {
            self.send(at, life, to, Packet::Raft(message));
        }
    }

    fn delay(&mut self, from: usize) -> u64 {
        if self.slow.contains(&from) {
            return 300_000 + self.dice.below(600_000);
        }
        match self.dice.below(100) {
            0..3 if self.stormy => self.dice.below(2 * SECOND),
            3..10 if self.stormy => self.dice.below(200_000),
            _ => 100 + self.dice.below(2_000),
        }
    }

    fn send(&mut self, from: usize, life: u64, to: NodeId, packet: Packet) {
        let to = to.get() as usize - 1;
        if self.blocked.contains(&(from, to)) || (self.stormy && self.dice.chance(2)) {
            return;
        }
        let lives = (life, self.nodes[to].life);
        if self.stormy && self.dice.chance(2) {
            let again = match &packet {
                Packet::Raft(message) => Packet::Raft(message.clone()),
                Packet::Sleep(word) => Packet::Sleep(*word),
            };
            let delay = self.delay(from);
            self.after(delay, Event::Packet { from, to, lives, packet: Box::new(again) });
        }
        let delay = self.delay(from);
        self.after(delay, Event::Packet { from, to, lives, packet: Box::new(packet) });
    }

    pub(crate) fn carry_out(&mut self, at: usize) -> Verdict {
        loop {
            let life = self.nodes[at].life;
            let Some(host) = self.nodes[at].host.as_mut() else { return Ok(()) };
            let output = host.poll();
            let mut busy = false;
            for (region, term, why) in output.forfeited {
                self.naps += usize::from(matches!(why, Forfeit::RoundsUpTo(_)));
                self.nodes[at].leases.entry(region).or_default().forfeit(term, why);
            }
            for role in &output.roles {
                self.role(at, role)?;
            }
            for (region, term, began) in output.confirmed {
                self.nodes[at].leases.entry(region).or_default().confirmed(term, began);
                self.leases_seen += 1;
                self.nobody_else_is_trusted(region)?;
            }
            for (to, message) in output.messages {
                self.send(at, life, to, Packet::Raft(message));
            }
            for (to, word) in output.sleep {
                self.send(at, life, to, Packet::Sleep(word));
            }
            for write in output.writes {
                busy = true;
                // In order, and never with the call that asked for it.
                let delay = 200 * self.nodes[at].disks.len() as u64;
                self.after(delay, Event::Durable { node: at, life, write: Box::new(write) });
            }
            for committed in output.committed {
                busy = true;
                self.commit(at, committed)?;
            }
            self.refused += output.failed_proposals.len() + output.failed_reads.len();
            if let Some((region, reason)) = output.quarantined.first() {
                return Err(format!("region {region} broke on {at}: {reason}"));
            }
            if !busy {
                return Ok(());
            }
        }
    }

    fn commit(&mut self, at: usize, committed: region::Committed<u64>) -> Verdict {
        let region = committed.region;
        for entry in &committed.entries {
            let known = self.history.entry((region, entry.index)).or_insert(entry.data.clone());
            if *known != entry.data {
                return Err(format!("{region} {}: two entries are committed", entry.index));
            }
        }
        self.answered.extend(committed.waiting.iter().map(|(_, number)| *number));
        let Some(last) = committed.entries.last() else { return Ok(()) };
        let node = &mut self.nodes[at];
        node.disks.get_mut(&region).unwrap().applied = last.index;
        node.host.as_mut().unwrap().applied(region, last.index);
        Ok(())
    }

    fn role(&mut self, at: usize, role: &region::RoleChange) -> Verdict {
        let (region, term) = (role.region, role.term);
        if role.role != Role::Leader {
            self.nodes[at].leads.remove(&region);
            return Ok(());
        }
        self.nodes[at].leads.insert(region, term);
        self.elections += 1;
        let first = *self.elected.entry((region, term)).or_insert(at);
        if first != at {
            return Err(format!("{region}: two leaders in term {term}"));
        }
        let newest = self.newest.entry(region).or_insert(term);
        *newest = (*newest).max(term);
        self.nobody_else_is_trusted(region)
    }

    /// Whoever could answer under a lease is the newest leader there is.
    fn nobody_else_is_trusted(&self, region: RegionId) -> Verdict {
        let newest = self.newest.get(&region).copied().unwrap_or_default();
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(term) = node.leads.get(&region).filter(|term| **term < newest) else {
                continue;
            };
            let now = Duration::from_micros(self.clock(at));
            if node.leases.get(&region).is_some_and(|it| it.is_valid(now, *term, &self.rules)) {
                return Err(format!(
                    "node {at} has a lease of {region} in {term}, and {newest} began"
                ));
            }
        }
        Ok(())
    }

    /// Everything answered is in the history, and everybody has applied all of it.
    pub(crate) fn is_whole(&self) -> Verdict {
        for region in REGIONS {
            let last =
                self.history.keys().filter(|(of, _)| *of == region).map(|(_, index)| *index).max();
            for (at, node) in self.nodes.iter().enumerate() {
                if Some(node.disks[&region].applied) != last {
                    return Err(format!("{region}: node {at} applied less than {last:?}"));
                }
            }
        }
        let known: BTreeSet<u64> = self
            .history
            .values()
            .filter_map(|data| data.get(..8)?.try_into().ok().map(u64::from_be_bytes))
            .collect();
        match self.answered.iter().find(|number| !known.contains(number)) {
            Some(lost) => Err(format!("{lost} was answered and is lost")),
            None => Ok(()),
        }
    }
}
