//! `cargo test --release -p state --test it -- --ignored --nocapture registry::memory`

use state::Machine;
use state::command::{Command, Envelope};
use state::registry::Status;
use state::registry::deadlines::{Deadlines, Heard, Settings};
use types::{Entry, EntryKind, Epoch, Index, Term};

use super::words;
use crate::measure::now;
use crate::replica::Replica;

/// Instances, each with a check of 15 s; of so many services; on so many nodes.
const INSTANCES: u64 = 100_000;
const SERVICES: u64 = 5_000;
const NODES: u64 = 2_000;

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0
}

fn entry(at: u64) -> Entry {
    let (node, service) = (at % NODES, at % SERVICES);
    let text = format!(
        "register node-{node:04} addr=10.0.{}.{} service=service-{service:04} \
         id=service-{service:04}-{at:06} tags=v1,primary port=8080 at=10.1.2.3 meta=version:1.2.3 \
         check=service:service-{service:04}-{at:06},of:service-{service:04}-{at:06},passing,ttl:15000",
        node / 256,
        node % 256
    );
    let command = Command::Registry(words::command(&text));
    let data =
        Envelope { epoch: Epoch { version: 1, conf_ver: 1 }, session: None, command }.encode();
    Entry { term: Term(1), index: Index(at + 1), kind: EntryKind::Normal, data }
}

#[test]
#[ignore = "measures, proves nothing"]
fn measure() {
    let mut replica = Replica::of_registry();
    let mut applying = 0.0;
    for from in (0..INSTANCES).step_by(100) {
        let entries: Vec<_> = (from..from + 100).map(entry).collect();
        let start = now();
        for entry in &entries {
            let Replica { machine, engine, batch, .. } = &mut replica;
            let effects = machine.apply(entry, engine, batch).unwrap();
            assert!(effects.outcome.result.is_ok(), "{effects:?}");
        }
        applying += now() - start;
        replica.write();
    }
    println!("{:.2} us to apply a registration", applying * 1e6 / INSTANCES as f64);
    let records = replica.engine.0.len() as f64 / INSTANCES as f64;
    println!("{records:.2} engine records an instance");

    // A second copy, from the records alone: what it takes is what a replica takes.
    let (before, start) = (resident_bytes(), now());
    let machine = Machine::load_registry(replica.region, &replica.engine).unwrap();
    let each = (resident_bytes() - before) / INSTANCES as f64;
    println!("load: {:.2} s; {each:.0} bytes of memory an instance", now() - start);

    let registry = machine.registry().unwrap();
    let before = resident_bytes();
    let mut deadlines = Deadlines::new(Settings::default(), 0);
    deadlines.begin(0, registry.timers());
    let each = (resident_bytes() - before) / INSTANCES as f64;
    println!("{each:.0} bytes of deadlines an instance");

    let keys: Vec<_> = (0..INSTANCES)
        .map(|at| {
            let (node, service) = (at % NODES, at % SERVICES);
            (format!("node-{node:04}"), format!("service:service-{service:04}-{at:06}"))
        })
        .collect();
    let start = now();
    for (node, id) in &keys {
        let timer = registry.check_timer(node, "default", id).unwrap();
        assert_eq!(deadlines.hear(1_000, timer, Status::Passing), Heard::Nothing);
    }
    println!("{:.2} us a heartbeat", (now() - start) * 1e6 / INSTANCES as f64);
    let start = now();
    let (mut wakeups, mut due) = (0, 0);
    for now_ms in (0..29_000).step_by(100) {
        wakeups += 1;
        due += deadlines.expired(now_ms, 1_024).len();
    }
    let spent = (now() - start) * 1e6 / f64::from(wakeups);
    println!("{spent:.1} us each of {wakeups} questions what is due, {due} were");
}
