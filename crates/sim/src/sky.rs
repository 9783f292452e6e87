//! What every part of the simulated world shares: time, chance, the network, and who watches.

use types::{NodeId, RegionId, Term};

use crate::atlas::Atlas;
use crate::counts::Counts;
use crate::cut::Cut;
use crate::disk::Random;
use crate::event::{Answer, Event, Packet};
use crate::mutant::Mutant;
use crate::network::Network;
use crate::oracle::Oracles;
use crate::queue::Queue;
use crate::roster::Roster;
use crate::scenario::Settings;
use crate::trace::{Line, Trace};
use crate::transfer::Transfers;
use crate::world::Plan;

/// What an oracle found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which oracle.
    pub oracle: &'static str,
    /// What it saw.
    pub detail: String,
}

pub(crate) struct Sky {
    /// Microseconds since the start.
    pub(crate) now: u64,
    queue: Queue<Event>,
    sequence: u64,
    pub(crate) random: Random,
    pub(crate) settings: Settings,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) network: Network,
    pub(crate) transfers: Transfers,
    pub(crate) oracles: Oracles,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    pub(crate) failure: Option<Failure>,
    pub(crate) cut: Cut,
    /// The kinds of faults there are.
    pub(crate) swarm: u64,
    /// Faults drawn so far.
    pub(crate) faults: u32,
    /// Faults have stopped.
    pub(crate) calm: bool,
    /// When that was.
    pub(crate) calm_since: u64,
    /// Regions that do not serve again since then.
    pub(crate) not_serving: Vec<RegionId>,
    /// Until when clients only read.
    pub(crate) quiet_until: u64,
    /// When leadership last began anywhere.
    pub(crate) led_since: u64,
    /// Who leads, since this was last looked at.
    pub(crate) elected: Vec<(RegionId, Term)>,
    pub(crate) roster: Roster,
    pub(crate) atlas: Atlas,
}

impl Sky {
    pub(crate) fn new(random: Random, settings: Settings, plan: &Plan, trace: Trace) -> Self {
        let roster = Roster::new(settings.nodes);
        let atlas = Atlas::of_seed(plan.seed);
        Self {
            now: 0,
            queue: Queue::default(),
            sequence: 0,
            random,
            settings,
            mutant: plan.mutant,
            network: Network::default(),
            transfers: Transfers::default(),
            oracles: Oracles::default(),
            trace,
            counts: Counts::default(),
            failure: None,
            cut: plan.cut,
            swarm: crate::cut::swarm(plan.seed, crate::nemesis::KINDS),
            faults: 0,
            calm: false,
            calm_since: 0,
            not_serving: Vec::new(),
            quiet_until: 0,
            led_since: 0,
            elected: Vec::new(),
            roster,
            atlas,
        }
    }

    /// Lets `event` happen `delay` microseconds from now, after everything else of that moment.
    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(self.now + delay, self.sequence, event);
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        let (at, event) = self.queue.pop()?;
        self.now = at;
        Some(event)
    }

    /// A number in `low..high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.below(high - low)
    }

    /// A number that orders what clients see: no two are equal.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn note(&mut self, node: NodeId, what: &'static str, numbers: [u64; 4]) {
        let line = Line { at: self.now, node: node.get(), what, numbers };
        self.trace.note(line);
    }

    /// An oracle found something wrong; the first finding ends the run.
    pub(crate) fn fail(&mut self, oracle: &'static str, detail: impl Into<String>) {
        if self.failure.is_none() {
            self.failure = Some(Failure { oracle, detail: detail.into() });
        }
    }

    /// Records what an oracle says.
    pub(crate) fn judge(&mut self, oracle: &'static str, verdict: Result<(), String>) {
        if let Err(detail) = verdict {
            self.fail(oracle, detail);
        }
    }

    /// Puts a packet on the wire: it may be lost, late, doubled, or overtaken.
    /// The connections of a node whose process ended break, and the others learn of it soon, as far as
    /// anything gets there.
    pub(crate) fn break_links(&mut self, from: NodeId) {
        for to in self.roster.others(from) {
            if !self.network.is_cut(from, to) && self.random.chance(85) {
                self.break_link(from, to);
            }
        }
    }

    /// One node learns that its connection from another one broke.
    pub(crate) fn break_link(&mut self, from: NodeId, to: NodeId) {
        self.counts.links_broken += 1;
        let delay = self.between(50, 5_000);
        let node = self.roster.seat(to);
        self.after(delay, Event::Broken { node, from });
    }

    pub(crate) fn send(&mut self, from: NodeId, to: NodeId, packet: Packet) {
        let fates = self.network.fates(from, to, &mut self.random, &mut self.counts);
        let [first, second] = fates;
        if let Some(delay) = second {
            self.after(delay, Event::Deliver { from, to, packet: packet.clone() });
        }
        if let Some(delay) = first {
            self.after(delay, Event::Deliver { from, to, packet });
        }
    }

    /// Answers a client of this node. The answer may get lost: the client asks again then.
    pub(crate) fn answer(
        &mut self,
        client: usize,
        attempt: u64,
        result: Result<Answer, types::Code>,
    ) {
        if !self.calm && self.random.chance(self.settings.lost_answers_percent) {
            self.counts.answers_lost += 1;
            return;
        }
        let delay = self.between(20, 400);
        self.after(delay, Event::Answer { client, attempt, result });
    }
}
