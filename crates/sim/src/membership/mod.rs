//! Replicas of one group, and nothing else: `consensus` alone, whose peers change all the time, on
//! a log of its own that a crash may leave at any write. Runs many times as fast as a whole node.

mod disk;
mod drive;
mod ending;
mod lease;
mod nemesis;
mod node;
mod oracles;
mod plot;
mod stage;

use bytes::Bytes;
use consensus::Replica;
use types::{ConfState, NodeId, PeerId};

use self::disk::Disk;
use self::nemesis::Fault;
use self::node::Node;
use self::oracles::Oracles;
use self::stage::Stage;
use crate::scenario::{RATE_MAX, RATE_MIN};
use crate::trace::{Trace, mix};
use crate::world::{Plan, Report};

/// Replicas there are; how many of them are peers changes.
const PEERS: u64 = 5;
/// How long faults go on, in microseconds.
const STORM: u64 = 16_000_000;
/// Events after which a run counts as stuck.
const EVENTS: u64 = 5_000_000;

#[derive(Clone, Debug)]
enum Event {
    Tick { peer: PeerId, life: u64 },
    Synced { peer: PeerId, life: u64 },
    Apply { peer: PeerId, life: u64 },
    Export { peer: PeerId, life: u64 },
    Deliver { from: PeerId, to: PeerId, bytes: Bytes },
    Report { peer: PeerId, life: u64, to: PeerId, ok: bool },
    Restart { peer: PeerId, life: u64 },
    Bounce(PeerId),
    Broken { peer: PeerId, from: PeerId },
    Cut(crate::partition::Cuts, u64),
    Client,
    Order,
    Nemesis,
    Heal(Fault),
    Calm,
    Look,
}

impl Event {
    /// Whose process it is an event of, and of which of its lives.
    fn of(&self) -> Option<(PeerId, Option<u64>)> {
        match self {
            Self::Tick { peer, life }
            | Self::Synced { peer, life }
            | Self::Apply { peer, life }
            | Self::Export { peer, life }
            | Self::Report { peer, life, .. } => Some((*peer, Some(*life))),
            Self::Deliver { to, .. } | Self::Broken { peer: to, .. } => Some((*to, None)),
            _ => None,
        }
    }
}

/// Runs one seed.
pub(crate) fn run(plan: Plan) -> Report {
    let mut stage = Stage::new(mix(plan.seed, 0x6d65_6d62), &plan, Trace::new(plan.trace));
    let mut nodes = Vec::new();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        nodes = begin(&mut stage);
        while stage.failure.is_none()
            && stage.counts.events < EVENTS
            && let Some(event) = stage.next()
        {
            stage.counts.events += 1;
            if plan.cut.is_over(stage.now) {
                return;
            }
            if happen(&mut stage, &mut nodes, event) {
                return;
            }
            check_leases(&mut stage, &nodes);
        }
        stage.fail("liveness", "nothing is left to happen, or too much");
    }));
    if let Err(panic) = result {
        stage.fail("no panic", crate::world::words(panic.as_ref()));
    }
    stage.counts.entries_committed = stage.oracles.count() as u64;
    let lines = if plan.trace { stage.trace.take_all() } else { stage.trace.tail() };
    let stands = plan.cut.stop_micros.map(|_| stand(&stage, &nodes)).unwrap_or_default();
    Report {
        stands,
        faults: stage.faults,
        trace_hash: stage.trace.hash(),
        trace_lines: stage.trace.lines(),
        lines,
        failure: stage.failure,
        counts: stage.counts,
        micros: stage.now,
    }
}

fn stand(stage: &Stage, nodes: &[Node]) -> Vec<String> {
    let mut lines = vec![crate::stand::network(&stage.network)];
    for node in nodes {
        lines.push(match &node.replica {
            Some(replica) => crate::stand::replica(node.peer.get(), &replica.status(), ""),
            None => format!("n{} down, life {}", node.peer.get(), node.life),
        });
    }
    lines
}

fn begin(stage: &mut Stage) -> Vec<Node> {
    let voters = [1, 1, 2, 3, 3, 3, 3, 4, 5, 5];
    let voters = voters[usize::try_from(stage.random.below(10)).unwrap_or(0)];
    let learners = stage.random.below(PEERS - voters + 1).min(2);
    let ids = |from: u64, count: u64| (from..from + count).map(PeerId).collect();
    let (voting, learning) = (ids(1, voters), ids(1 + voters, learners));
    let conf = ConfState { voters: voting, learners: learning, ..ConfState::default() };
    let mut nodes = Vec::new();
    for id in 1..=PEERS {
        let is_first = id <= voters + learners;
        let disk = if is_first { Disk::bootstrap(conf.clone()) } else { Disk::empty() };
        let rate = stage.between(RATE_MIN, RATE_MAX);
        nodes.push(Node::new(PeerId(id), rate, disk));
        let delay = stage.between(0, 30_000);
        stage.after(delay, Event::Restart { peer: PeerId(id), life: 0 });
    }
    stage.after(100_000, Event::Client);
    stage.after(400_000, Event::Order);
    stage.after(500_000, Event::Nemesis);
    stage.after(stage.cut.storm(stage.storm), Event::Calm);
    nodes
}

fn at(peer: PeerId) -> usize {
    usize::try_from(peer.get()).unwrap_or(1) - 1
}

/// Lets one event happen; answers whether it was the last.
fn happen(stage: &mut Stage, nodes: &mut [Node], event: Event) -> bool {
    if let Some((peer, life)) = event.of() {
        let node = &nodes[at(peer)];
        if life.is_some_and(|life| life != node.life) || node.replica.is_none() {
            return false;
        }
        if node.paused_until > stage.now {
            stage.after(node.paused_until - stage.now, event);
            return false;
        }
    }
    match event {
        Event::Tick { peer, .. } => nodes[at(peer)].tick(stage),
        Event::Synced { peer, .. } => nodes[at(peer)].synced(stage),
        Event::Apply { peer, .. } => nodes[at(peer)].apply(stage),
        Event::Export { peer, .. } => nodes[at(peer)].export(stage),
        Event::Deliver { from, to, bytes } => {
            // What is on its way when a link breaks is lost with it.
            if !stage.network.is_cut(NodeId(from.get()), NodeId(to.get())) {
                nodes[at(to)].deliver(stage, bytes);
            }
        }
        Event::Bounce(peer) => nemesis::bounce(stage, &mut nodes[at(peer)]),
        Event::Broken { peer, from } => nodes[at(peer)].link_broke(stage, from),
        Event::Report { peer, to, ok, .. } => {
            if let Some(replica) = &mut nodes[at(peer)].replica {
                replica.report_snapshot(to, ok);
            }
            nodes[at(peer)].drain(stage);
        }
        Event::Restart { peer, life } => {
            if nodes[at(peer)].life == life {
                nodes[at(peer)].start(stage);
            }
        }
        Event::Cut(cuts, lasts) if !stage.calm => nemesis::cut(stage, cuts, lasts),
        Event::Cut(..) => {}
        Event::Client => client(stage, nodes),
        Event::Order => nemesis::order(stage, nodes),
        Event::Nemesis => nemesis::strike(stage, nodes),
        Event::Heal(fault) => nemesis::heal(stage, fault),
        Event::Calm => {
            nemesis::calm(stage, nodes);
            stage.after(ending::FIRST_LOOK, Event::Look);
        }
        Event::Look => return ending::look(stage, nodes),
    }
    false
}

/// Clients and the janitor do one thing.
fn client(stage: &mut Stage, nodes: &mut [Node]) {
    if stage.calm {
        return;
    }
    let again = stage.between(500, 14_000);
    stage.after(again, Event::Client);
    let node = usize::try_from(stage.random.below(PEERS)).unwrap_or(0);
    if nodes[node].paused_until > stage.now {
        return;
    }
    match stage.random.below(100) {
        0..50 if stage.now < stage.quiet_until => {}
        0..50 => {
            let number = stage.random.next();
            let data = Bytes::copy_from_slice(&number.to_be_bytes());
            let leads = |node: &&mut Node| node.replica.as_ref().is_some_and(Replica::is_leader);
            for node in nodes.iter_mut().filter(leads) {
                node.propose(stage, data.clone());
            }
        }
        50..70 => nodes[node].ask(stage),
        70..96 => {
            let now = stage.now;
            for node in nodes.iter_mut().filter(|node| node.paused_until <= now) {
                node.ask_leader(stage);
                node.read_by_lease(stage);
            }
        }
        _ => nodes[node].compact(stage),
    }
}

/// Nobody leads a later term while another may think that it alone can lead.
fn check_leases(stage: &mut Stage, nodes: &[Node]) {
    if let Some((peer, _)) = stage.elected
        && stage.plot.is_some()
    {
        plot::elected(stage, nodes, peer);
    }
    let news = (stage.elected.take(), stage.confirmed.take());
    if news == (None, None) {
        return;
    }
    let leads = |node: &&Node| node.replica.as_ref().is_some_and(Replica::is_leader);
    let term = |node: &Node| node.replica.as_ref().map_or(types::Term(0), Replica::term);
    let Some(newest) = nodes.iter().filter(leads).max_by_key(|node| term(node)) else { return };
    for node in nodes.iter().filter(leads) {
        if term(node) < term(newest) && node.lease.is_valid(term(node), node.clock(stage)) {
            let (peer, of, in_term) = (newest.peer, node.peer, term(node));
            let what =
                format!("{peer} leads {} under the lease of {of} in {in_term}", term(newest));
            stage.fail("lease safety", what);
        }
    }
}
