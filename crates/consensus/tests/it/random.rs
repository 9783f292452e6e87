//! Random schedules of everything at once: reordered, repeated and lost messages, slow disks, slow
//! state machines, crashes and losses of power, changes of the peers, handovers, snapshots. The
//! cluster checks safety at every step; here reads are checked too, and that all is well again once
//! the faults stop. `CONSENSUS_SEEDS=1000` runs that many seeds, `CONSENSUS_SEED=7` just that one,
//! `CONSENSUS_WITHOUT=unique_reads` switches a rule off.

use std::collections::BTreeMap;

use bytes::Bytes;
use consensus::{ConfChange, Guards, PeerChange};
use types::{ConfState, Incarnation, Index, PeerId};

use crate::cluster::{Cluster, config, voters};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }
}

struct Run {
    cluster: Cluster,
    random: Random,
    /// What was committed when a read was asked for, by node, run and context.
    asked: BTreeMap<(u64, u64, u64), Index>,
    count: usize,
    answered: usize,
}

const PEERS: u64 = 5;

impl Run {
    fn new(seed: u64) -> Self {
        let without = std::env::var("CONSENSUS_WITHOUT").ok();
        let guards = without.map(|name| Guards::without(&name).expect("a rule's name"));
        let mut config = config(guards.unwrap_or_default());
        config.seed = seed;
        config.incarnation = Incarnation(seed);
        config.max_message_bytes = 64;
        config.max_committed_bytes_per_ready = 256;
        config.cache_bytes = 512;
        config.max_inflight_messages = 4;
        let mut cluster = Cluster::with(&[1, 2, 3], config);
        (4..=PEERS).for_each(|id| cluster.add(id, ConfState::default()));
        for node in cluster.nodes.values_mut() {
            (node.hold_writes, node.hold_apply) = (true, true);
        }
        let asked = BTreeMap::new();
        Self { cluster, random: Random(seed), asked, count: 0, answered: 0 }
    }

    fn step(&mut self) {
        let id = self.random.below(PEERS as usize) as u64 + 1;
        match self.random.below(100) {
            0..54 => self.deliver(),
            54..62 => self.cluster.replica(id).tick(),
            62..75 => drop(self.cluster.flush_one(id)),
            75..84 => self.cluster.apply(id),
            84..89 => self.propose(id),
            89..92 => self.read(id),
            92 => self.change(id),
            93 if self.random.below(4) == 0 => {
                let to = PeerId(self.random.below(PEERS as usize) as u64 + 1);
                let _ = self.cluster.replica(id).transfer_leadership(to);
            }
            94 if self.random.below(3) == 0 => self.cluster.replica(id).orphan(),
            94 if self.random.below(3) == 0 => self.cluster.replica(id).bind(),
            94 => self.cluster.compact(id),
            95 => self.cluster.node(id).save(),
            96 if self.random.below(8) == 0 => self.cluster.restart(id),
            97 if self.random.below(8) == 0 => {
                self.cluster.lose_power(id);
                self.cluster.start(id);
            }
            98 if self.random.below(12) == 0 => self.cluster.isolate(id),
            99 if self.random.below(2) == 0 => self.cluster.heal(),
            _ => {}
        }
        self.cluster.drain(id);
        (1..=PEERS).for_each(|id| self.check_reads(id));
    }

    fn deliver(&mut self) {
        if self.cluster.net.is_empty() {
            return;
        }
        let near = self.cluster.net.len().min(6);
        let at = self.random.below(near);
        let Some(message) = self.cluster.net.remove(at) else { return };
        match self.random.below(60) {
            0 if message.is_snapshot() => self.cluster.net.push_back(message),
            0 => {}
            1 | 2 => {
                self.cluster.net.push_back(message.clone());
                self.cluster.deliver(message);
            }
            _ => self.cluster.deliver(message),
        }
    }

    fn propose(&mut self, id: u64) {
        self.count += 1;
        let data = Bytes::from(format!("{} by {id}", self.count));
        let _ = self.cluster.replica(id).propose(data);
    }

    fn read(&mut self, id: u64) {
        let committed = self.cluster.history.keys().next_back().copied().unwrap_or_default();
        if let Ok(context) = self.cluster.replica(id).read_index() {
            let run = self.cluster.node(id).runs;
            self.asked.insert((id, run, context.0), committed);
        }
    }

    fn check_reads(&mut self, id: u64) {
        let node = self.cluster.node(id);
        let run = node.runs;
        for (context, index) in node.reads.drain(..) {
            let asked = self.asked.remove(&(id, run, context.0)).expect("answered once");
            assert!(index >= asked, "a read of {asked} may be served at {index}");
            self.answered += 1;
        }
        for context in node.reads_failed.drain(..) {
            self.asked.remove(&(id, run, context.0)).expect("ended once");
        }
    }

    fn change(&mut self, id: u64) {
        let peer = PeerId(self.random.below(PEERS as usize) as u64 + 1);
        let other = PeerId(peer.0 % PEERS + 1);
        let change = match self.random.below(5) {
            0 | 1 => ConfChange::add_voter(peer),
            2 => ConfChange::add_learner(peer),
            3 => ConfChange::remove(peer),
            _ => ConfChange::Joint(vec![PeerChange::AddVoter(peer), PeerChange::AddLearner(other)]),
        };
        let context = if self.random.below(8) == 0 { "reject" } else { "" };
        let _ = self.cluster.replica(id).propose_conf_change(change, Bytes::from(context));
    }

    /// All faults stop: the members find a leader, serve, and become equal.
    fn recover(&mut self) {
        self.cluster.heal();
        for id in 1..=PEERS {
            let node = self.cluster.node(id);
            (node.hold_writes, node.hold_apply) = (false, false);
            self.cluster.flush(id);
            self.cluster.apply(id);
        }
        self.cluster.ticks(200);
        (1..=PEERS).for_each(|id| self.check_reads(id));
        let leader = self.cluster.leader().expect("a leader once the faults stop");
        self.cluster.put(leader, "last");
        self.cluster.ticks(30);
        let conf = self.cluster.node(leader).conf.clone();
        assert!(conf.voters_outgoing.is_empty(), "still in a joint configuration");
        let end = (self.cluster.node(leader).applied, self.cluster.node(leader).state.clone());
        for peer in conf.voters.iter().chain(&conf.learners) {
            let node = self.cluster.node(peer.0);
            assert_eq!((node.applied, node.state.clone()), end, "peer {peer}");
            assert_eq!(node.conf, conf);
        }
        self.asked.retain(|(id, run, _), _| self.cluster.nodes[id].runs == *run);
        assert!(self.asked.is_empty(), "reads that never ended: {:?}", self.asked);
    }
}

fn run(seed: u64) -> Run {
    let mut run = Run::new(seed);
    (0..15_000).for_each(|_| run.step());
    run.recover();
    run
}

#[test]
fn safety_always_and_progress_after() {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse().ok());
    let seeds = match number("CONSENSUS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CONSENSUS_SEEDS").unwrap_or(40),
    };
    let (mut commits, mut reads, mut changes, mut snapshots) = (0, 0, 0, 0);
    for seed in seeds.clone() {
        println!("seed {seed}");
        let done = run(seed);
        commits += done.cluster.history.len();
        reads += done.answered;
        let conf = done.cluster.nodes.values().filter(|node| node.conf != voters(&[1, 2, 3]));
        changes += conf.count();
        snapshots += done.cluster.trace.iter().filter(|line| line.contains("Snapshot")).count();
    }
    println!("{commits} commits, {reads} reads, {changes} changed, {snapshots} snapshots");
    if seeds.count() >= 40 {
        assert!(commits > 1_000 && reads > 800 && changes > 40 && snapshots > 40, "too tame");
    }
}

#[test]
fn the_same_seed_twice_is_the_same_run() {
    for seed in 0..5 {
        assert!(run(seed).cluster.trace == run(seed).cluster.trace, "seed {seed}");
    }
    assert!(run(1).cluster.trace != run(2).cluster.trace);
}
