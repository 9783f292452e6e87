//! What the replicas share: time, chance, the network, and who watches.

use std::collections::BTreeMap;

use bytes::Bytes;
use consensus::Message;
use types::{Entry, Index, NodeId, PeerId, Term};

use super::drive::{self, Wanted};
use super::plot::Plot;
use super::{Event, Oracles};
use crate::counts::Counts;
use crate::cut::Cut;
use crate::disk::Random;
use crate::mutant::Mutant;
use crate::network::Network;
use crate::queue::Queue;
use crate::sky::Failure;
use crate::trace::{Line, Trace, hash};
use crate::world::Plan;

pub(super) struct Stage {
    /// Microseconds since the start.
    pub(super) now: u64,
    queue: Queue<Event>,
    sequence: u64,
    pub(super) random: Random,
    pub(super) mutant: Option<Mutant>,
    pub(super) cut: Cut,
    /// How long faults go on, in microseconds.
    pub(super) storm: u64,
    /// Faults drawn so far.
    pub(super) faults: u32,
    pub(super) network: Network,
    pub(super) oracles: Oracles,
    pub(super) trace: Trace,
    pub(super) counts: Counts,
    pub(super) failure: Option<Failure>,
    /// Faults have stopped.
    pub(super) calm: bool,
    /// Who was elected since this was last looked at.
    pub(super) elected: Option<(PeerId, Term)>,
    /// A leader whose lease was just renewed.
    pub(super) confirmed: Option<PeerId>,
    pub(super) plot: Option<Plot>,
    /// Until when nobody writes.
    pub(super) quiet_until: u64,
    /// The operator wants many voters.
    pub(super) crowded: bool,
    /// Where replicas are to be, if leaders bring them there.
    pub(super) wanted: Option<Wanted>,
    /// Commands by who proposed them and where.
    pub(super) proposed: BTreeMap<(PeerId, Index), Term>,
    /// The last entry whose proposer was told that it is committed.
    pub(super) acknowledged: Index,
}

impl Stage {
    pub(super) fn new(seed: u64, plan: &Plan, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: 0,
            queue: Queue::default(),
            sequence: 0,
            wanted: drive::first(seed, &mut random),
            random,
            mutant: plan.mutant,
            cut: plan.cut,
            storm: plan.storm_micros.unwrap_or(super::STORM),
            faults: 0,
            network: Network::default(),
            oracles: Oracles::default(),
            trace,
            counts: Counts::default(),
            failure: None,
            calm: false,
            elected: None,
            confirmed: None,
            plot: None,
            quiet_until: 0,
            crowded: seed.is_multiple_of(2),
            proposed: BTreeMap::new(),
            acknowledged: Index(0),
        }
    }

    /// One of two learns that its connection from the other broke.
    pub(super) fn break_link(&mut self, from: PeerId, peer: PeerId) {
        self.counts.links_broken += 1;
        let delay = self.between(50, 5_000);
        self.after(delay, Event::Broken { peer, from });
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(self.now + delay, self.sequence, event);
    }

    pub(super) fn next(&mut self) -> Option<Event> {
        let (at, event) = self.queue.pop()?;
        self.now = at;
        Some(event)
    }

    /// A number in `low..high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.below(high - low)
    }

    pub(super) fn note(&mut self, peer: PeerId, what: &'static str, [one, two]: [u64; 2]) {
        let line = Line { at: self.now, node: peer.get(), what, numbers: [one, two, 0, 0] };
        self.trace.note(line);
    }

    pub(super) fn fail(&mut self, oracle: &'static str, detail: impl Into<String>) {
        if self.failure.is_none() {
            self.failure = Some(Failure { oracle, detail: detail.into() });
        }
    }

    pub(super) fn judge(&mut self, oracle: &'static str, verdict: Result<(), String>) {
        if let Err(detail) = verdict {
            self.fail(oracle, detail);
        }
    }

    /// An entry was applied by who may have proposed it.
    pub(super) fn applied(&mut self, peer: PeerId, entry: &Entry) {
        self.counts.entries_applied += 1;
        if self.proposed.remove(&(peer, entry.index)) == Some(entry.term) {
            self.counts.writes += 1;
            self.acknowledged = self.acknowledged.max(entry.index);
        }
    }

    /// Puts a message on the wire. Whoever sends a snapshot is told whether it arrived.
    pub(super) fn send(&mut self, message: &Message, life: u64) {
        let (from, to) = (message.from(), message.to());
        let bytes: Bytes = message.encode().into();
        let numbers = [from.get(), to.get(), message.kind() as u64, hash(&bytes)];
        self.trace.note(Line { at: self.now, node: from.get(), what: "sends", numbers });
        let nodes = (NodeId(from.get()), NodeId(to.get()));
        let mut fates = self.network.fates(nodes.0, nodes.1, &mut self.random, &mut self.counts);
        if message.is_snapshot() {
            let extra = self.between(1_000, 60_000);
            fates = fates.map(|fate| fate.map(|delay| delay + extra));
            let ok = fates[0].is_some();
            let told = fates[0].unwrap_or(extra) + 500;
            self.after(told, Event::Report { peer: from, life, to, ok });
        }
        for delay in fates.into_iter().flatten() {
            self.after(delay, Event::Deliver { from, to, bytes: bytes.clone() });
        }
    }
}
