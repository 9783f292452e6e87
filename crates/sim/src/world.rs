//! One run: a seed, a scenario, and the loop that lets one event happen after the other.

use types::{KeyRange, NodeId, RegionId};

use crate::client::{Client, Job};
use crate::counts::Counts;
use crate::cut::Cut;
use crate::disk::Random;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::node::Node;
use crate::scenario::{RATE_MAX, RATE_MIN, Scenario};
use crate::sky::{Failure, Sky};
use crate::trace::{Trace, mix};
use crate::waiter::Waiter;
use crate::watcher::Watcher;
use crate::{atlas, ending, membership, nemesis, serving, stand, transfer};

/// What to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Which world.
    pub scenario: Scenario,
    /// What is broken on purpose.
    pub mutant: Option<Mutant>,
    /// Whether every line of the trace is kept.
    pub trace: bool,
    /// What is left out of it.
    pub cut: Cut,
    /// How long faults go on, in microseconds; as long as the world's usual storm if it is not said.
    pub storm_micros: Option<u64>,
}

impl Plan {
    /// A seed with all it has.
    #[must_use]
    pub fn of(seed: u64, scenario: Scenario) -> Self {
        Self { seed, scenario, mutant: None, trace: false, cut: Cut::default(), storm_micros: None }
    }
}

/// How a run went.
#[derive(Debug)]
pub struct Report {
    /// A hash of the whole trace.
    pub trace_hash: u64,
    /// How many lines it has.
    pub trace_lines: u64,
    /// All lines if they were asked for, otherwise the last ones.
    pub lines: Vec<String>,
    /// What was found wrong.
    pub failure: Option<Failure>,
    /// What the run was made of.
    pub counts: Counts,
    /// Simulated time.
    pub micros: u64,
    /// Faults that were drawn, those that were left out included.
    pub faults: u32,
    /// How everything stands, where the run was ended by [`Cut::stop_micros`].
    pub stands: Vec<String>,
}

/// Events after which a run counts as stuck.
const EVENTS: u64 = 20_000_000;

/// The nodes and clients of a run.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) waiters: Vec<Waiter>,
}

/// Runs one seed.
#[must_use]
pub fn run(plan: Plan) -> Report {
    if plan.scenario == Scenario::Membership {
        return membership::run(plan);
    }
    let name = plan.scenario.name().bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)));
    let trace = Trace::new(plan.trace);
    let mut random = Random::new(mix(plan.seed, name));
    let mut settings = plan.scenario.settings(&mut random);
    settings.storm_micros = plan.storm_micros.unwrap_or(settings.storm_micros);
    let mut sky = Sky::new(random, settings, &plan, trace);
    let mut world = World::new(&mut sky);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        while sky.failure.is_none()
            && sky.counts.events < EVENTS
            && let Some(event) = sky.next()
        {
            sky.counts.events += 1;
            if plan.cut.is_over(sky.now) {
                return;
            }
            if world.happen(&mut sky, event) {
                return;
            }
            world.check_leases(&mut sky);
        }
        sky.fail("liveness", "nothing is left to happen, or too much");
    }));
    if let Err(panic) = result {
        sky.fail("no panic", words(panic.as_ref()));
    }
    let lines = if plan.trace { sky.trace.take_all() } else { sky.trace.tail() };
    let stands = plan.cut.stop_micros.map(|_| stand::of(&sky, &world.nodes)).unwrap_or_default();
    Report {
        stands,
        trace_hash: sky.trace.hash(),
        trace_lines: sky.trace.lines(),
        lines,
        failure: sky.failure,
        faults: sky.faults,
        counts: sky.counts,
        micros: sky.now,
    }
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    words.unwrap_or_default()
}

impl World {
    fn new(sky: &mut Sky) -> Self {
        let mut nodes = Vec::new();
        for id in 1..=sky.settings.nodes {
            let rate = sky.between(RATE_MIN, RATE_MAX);
            nodes.push(Node::new(NodeId(id), nodes.len(), rate));
        }
        let mut world =
            Self { nodes, clients: Vec::new(), watchers: Vec::new(), waiters: Vec::new() };
        for node in 0..world.nodes.len() {
            let delay = sky.between(0, 30_000);
            sky.after(delay, Event::Restart { node, life: 0 });
        }
        if sky.settings.with_meta {
            world.add_client(sky, RegionId::META, Job::Maker);
            if sky.settings.sharded.is_none() {
                world.add_clients(sky, RegionId::DEFAULT);
            }
        }
        for region in sky.settings.regions.clone() {
            world.add_clients(sky, region);
            if sky.settings.registry.is_some() {
                world.add_registry(sky, region);
            }
        }
        sky.after(600_000, Event::Nemesis);
        atlas::begin(sky);
        let storm = sky.cut.storm(sky.settings.storm_micros);
        sky.after(storm, Event::Calm);
        world
    }

    pub(crate) fn add_client(&mut self, sky: &mut Sky, region: RegionId, job: Job) -> usize {
        let at = self.clients.len();
        let mut client = Client::new(at, region, job, sky.settings.nodes);
        let delay = sky.between(100_000, 400_000);
        client.wake(sky, delay);
        self.clients.push(client);
        at
    }

    fn add_watchers(&mut self, sky: &mut Sky, region: RegionId) {
        for range in [KeyRange::all(), KeyRange::single(&bytes::Bytes::from("key-1-0"))] {
            let watcher = self.watchers.len();
            self.watchers.push(Watcher::new(region, range));
            let delay = sky.between(100_000, 900_000);
            sky.after(delay, Event::Watch { watcher });
        }
    }

    /// Those who are there for a registry.
    fn add_registry(&mut self, sky: &mut Sky, region: RegionId) {
        for (service, count) in sky.settings.instances.into_iter().enumerate() {
            for number in 0..count {
                self.add_client(sky, region, Job::Instance { service, number });
            }
        }
        for _ in 0..sky.settings.lockers {
            self.add_client(sky, region, Job::Locker);
        }
        for _ in 0..sky.settings.waiters {
            let waiter = self.waiters.len();
            self.waiters.push(Waiter::new(sky, region));
            let delay = sky.between(100_000, 900_000);
            sky.after(delay, Event::Wait { waiter });
        }
    }

    fn add_clients(&mut self, sky: &mut Sky, region: RegionId) {
        if sky.settings.sharded.is_none() {
            self.add_watchers(sky, region);
        }
        let settings = &sky.settings;
        let jobs = [
            (settings.register_clients, Job::Registers),
            (settings.counter_clients, Job::Counter),
            (settings.lease_clients, Job::Leases),
            (settings.compactors, Job::Compactor),
        ];
        for (count, job) in jobs {
            for _ in 0..count {
                self.add_client(sky, region, job);
            }
        }
    }

    /// Nobody is elected while another may think that it alone can lead.
    fn check_leases(&self, sky: &mut Sky) {
        for (region, term) in std::mem::take(&mut sky.elected) {
            let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
            let older = running.filter(|running| {
                let shard = running.shards.get(&region);
                shard.is_some_and(|shard| shard.leadership.term < term)
                    && running.holds_lease(sky, region)
            });
            let holders: Vec<NodeId> = older.map(crate::node::Running::id).collect();
            if !holders.is_empty() {
                let what = format!("region {region}: elected in {term} under a lease: {holders:?}");
                sky.fail("lease safety", what);
            }
        }
    }

    /// Lets one event happen; answers whether it was the last.
    fn happen(&mut self, sky: &mut Sky, event: Event) -> bool {
        let nodes = &mut self.nodes;
        if let Some(node) = event.node(&sky.roster).map(|at| &nodes[at])
            && node.stands_still_until(&event) > sky.now
        {
            sky.after(node.stands_still_until(&event) - sky.now, event);
            return false;
        }
        match event {
            Event::Tick { node, life } => nodes[node].step(sky, life, |it, sky| it.tick(sky)),
            Event::Poll { node, life } => nodes[node].step(sky, life, |it, sky| it.poll(sky)),
            Event::SyncDone { node, life } => {
                nodes[node].step(sky, life, |it, sky| it.sync_done(sky));
            }
            Event::Apply { node, life } => nodes[node].step(sky, life, |it, sky| it.apply(sky)),
            Event::CutLogs { node, life } => {
                nodes[node].step(sky, life, |it, sky| it.cut_logs(sky));
            }
            Event::ExpireLeases { node, life } => {
                nodes[node].step(sky, life, |it, sky| it.expire_leases(sky));
            }
            Event::Deliver { from, to, packet } => {
                let at = sky.roster.seat(to);
                // What is on its way when a link breaks is lost with it; so is what is for a node that
                // another one took the place of.
                if !sky.network.is_cut(from, to) && nodes[at].id == to {
                    let life = nodes[at].life;
                    nodes[at].step(sky, life, |it, sky| it.deliver(sky, from, packet));
                }
            }
            Event::Chunk { transfer } => transfer::chunk(sky, nodes, transfer),
            Event::Request { node, request } => {
                let life = nodes[node].life;
                nodes[node].step(sky, life, |it, sky| it.request(sky, request));
            }
            Event::Answer { client, attempt, result } => {
                self.clients[client].answered(sky, attempt, result);
                for region in self.clients[client].take_made() {
                    self.add_clients(sky, region);
                }
            }
            Event::Atlas => atlas::strike(sky, nodes),
            Event::Lie { node, life } => atlas::lie(sky, &mut nodes[node], life),
            Event::Replace { node, life } => atlas::replace(sky, &mut nodes[node], life),
            Event::Bounce { node, left } => nemesis::bounce(sky, &mut nodes[node], left),
            Event::Watch { watcher } => self.watchers[watcher].look(sky, nodes, watcher),
            Event::Wait { waiter } => self.waiters[waiter].look(sky, nodes, waiter),
            Event::Client { client, alarm } => self.clients[client].ring(sky, alarm),
            Event::Nemesis => nemesis::strike(sky, nodes),
            Event::Heal(fault) => nemesis::heal(sky, nodes, fault),
            Event::Restart { node, life } => {
                let it = &nodes[node];
                if it.life == life && it.stalled_until > sky.now {
                    sky.after(it.stalled_until - sky.now, Event::Restart { node, life });
                } else if it.life == life && it.running.is_none() && !it.is_given_up {
                    nodes[node].start(sky);
                }
            }
            Event::Broken { node, from } => {
                let life = nodes[node].life;
                nodes[node].step(sky, life, |it, sky| it.link_broke(sky, from));
            }
            Event::Calm => {
                nemesis::calm(sky, nodes);
                serving::begin(sky, self);
                sky.after(ending::PROBE_AFTER, Event::Probe);
                if sky.settings.last_kill {
                    sky.after(ending::KILL_AFTER, Event::LastKill);
                }
            }
            Event::Serving => serving::look(sky, self),
            Event::LastKill => ending::last_kill(sky, self),
            Event::Probe => ending::probe(sky, self),
            Event::Settled => return ending::settled(sky, self),
        }
        false
    }
}
