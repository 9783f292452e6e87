//! What it costs to apply registrations: the figures of `docs/architecture/registry.md`. Run:
//!
//! ```text
//! cargo run --release -p node --example apply_registrations -- memory
//! cargo run --release -p node --example apply_registrations -- disk <directory> [instances]
//! ```
//!
//! As an applier does it: entries of the log, a few dozen in one batch of the engine, told by a client's
//! session. Instances, services and nodes are those of `hiraeth bench register`; a second pass registers
//! the same once more, which changes nothing.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must fail")]
#![allow(clippy::print_stdout, reason = "its figures are its purpose")]

use std::path::Path;
use std::sync::Arc;

use state::Machine;
use state::command::{Command, Envelope, SessionTag};
use state::registry::{
    Check, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance, Name, Node, Registration,
    RegistryCommand, Status, TimerId, Weights,
};
use storage::engine::{DiskEngine, DiskOptions, Engine, MemoryEngine};
use types::{Batch, ConfState, Entry, EntryKind, Epoch, Index, PeerId, RegionId, Revision, Term};

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVICES: u64 = 5_000;
const ON_A_NODE: u64 = 50;
/// Entries in one batch of the engine.
const BATCH: usize = 64;
/// Commands of a client that are under way.
const UNDER_WAY: u64 = 1_024;
const REGION: RegionId = RegionId(5);
const EPOCH: Epoch = Epoch { version: 1, conf_ver: 1 };

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (engine, rest): (Arc<dyn Engine>, _) = match words.as_slice() {
        [kind, rest @ ..] if kind == "memory" => (Arc::new(MemoryEngine::new()), rest),
        [kind, directory, rest @ ..] if kind == "disk" => {
            let family = state::keys::version_prefix;
            let options = DiskOptions { family, ..DiskOptions::default() };
            (Arc::new(DiskEngine::open(Path::new(directory), options).unwrap()), rest)
        }
        _ => return println!("usage: apply_registrations memory|disk [directory] [instances]"),
    };
    let instances: u64 = rest.first().map_or(100_000, |count| count.parse().unwrap());
    let mut bench = Bench::new(engine);
    bench.pass("registered", instances);
    bench.pass("registered again", instances);
    // A second copy, from the records alone: what it takes is what a replica takes.
    let (before, began) = (resident_bytes(), cpu_ns());
    let machine = Machine::load_registry(REGION, bench.engine.as_ref()).unwrap();
    let (each, took) = ((resident_bytes() - before) / instances as f64, cpu_ns() - began);
    println!("loaded: {:.2} s, {each:.0} bytes an instance", took as f64 / 1e9);
    drop(machine);
}

struct Bench {
    engine: Arc<dyn Engine>,
    machine: Machine,
    index: u64,
}

impl Bench {
    fn new(engine: Arc<dyn Engine>) -> Self {
        let mut machine = Machine::load_registry(REGION, engine.as_ref()).unwrap();
        let peers = ConfState { voters: vec![PeerId(1)], ..ConfState::default() };
        machine.set_initial(peers, EPOCH);
        Self { engine, machine, index: 0 }
    }

    fn pass(&mut self, what: &str, instances: u64) {
        let entries: Vec<Entry> = (0..instances).map(|number| self.entry(number)).collect();
        let (mut applying, mut writing, all) = (0, 0, cpu_ns());
        for entries in entries.chunks(BATCH) {
            let mut batch = Batch::default();
            let began = cpu_ns();
            for entry in entries {
                let effects = self.machine.apply(entry, self.engine.as_ref(), &mut batch).unwrap();
                assert!(effects.outcome.result.is_ok(), "{effects:?}");
            }
            self.machine.finish(&mut batch);
            let applied = cpu_ns();
            self.engine.write(batch).unwrap();
            self.machine.written();
            (applying, writing) = (applying + applied - began, writing + cpu_ns() - applied);
        }
        let each = |ns: u64| ns / instances;
        println!(
            "{what}: {} ns each to apply, {} ns to write to the engine, {} ns of CPU in all threads",
            each(applying),
            each(writing),
            each(cpu_ns() - all)
        );
    }

    fn entry(&mut self, number: u64) -> Entry {
        self.index += 1;
        let sequence = self.index;
        let acknowledged = sequence.saturating_sub(UNDER_WAY);
        let command = Command::Registry(RegistryCommand::Register(registration(number).into()));
        let session = Some(SessionTag { client: 7, sequence, acknowledged, again: false });
        let data = Envelope { epoch: EPOCH, session, command }.encode();
        Entry { term: Term(1), index: Index(self.index), kind: EntryKind::Normal, data }
    }
}

/// As the native interface makes it.
fn registration(number: u64) -> Registration {
    let node = number / ON_A_NODE;
    let address: Name =
        format!("10.{}.{}.{}", node >> 16 & 255, node >> 8 & 255, node & 255).as_str().into();
    let service: Name = format!("service-{:05}", number % SERVICES).as_str().into();
    let id: Name = format!("{service}-{number:07}").as_str().into();
    let (namespace, none) = (Name::from(DEFAULT_NAMESPACE), Name::default());
    let node = Node {
        name: address.clone(),
        id: none.clone(),
        address: address.clone(),
        tagged_addresses: [].into(),
        meta: [].into(),
        created: Revision(0),
        modified: Revision(0),
    };
    let instance = Instance {
        node: address.clone(),
        namespace: namespace.clone(),
        id: id.clone(),
        service,
        tags: ["v1".into(), "primary".into()].into(),
        address,
        port: u16::try_from(1_024 + number % 60_000).unwrap(),
        meta: [("version".into(), "1.2.3".into())].into(),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: [].into(),
        zone: none.clone(),
        extra: [].into(),
        created: Revision(0),
        modified: Revision(0),
    };
    let check = Check {
        node: node.name.clone(),
        namespace,
        id: format!("service:{id}").as_str().into(),
        instance: id,
        name: "heartbeat".into(),
        status: Status::Passing,
        notes: none.clone(),
        output: none,
        kind: "ttl".into(),
        definition: Definition { ttl_ms: 15_000, ..Definition::default() },
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    Registration {
        node,
        skip_node_update: true,
        instance: Some(instance),
        checks: vec![CheckRegistration { check, keep_status: false }],
        replace_checks: false,
    }
}

/// What all threads of this process computed so far.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0
}
