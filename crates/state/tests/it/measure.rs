//! `cargo test --release -p state --test it -- --ignored --nocapture measure`

use bytes::Bytes;
use state::Machine;
use state::command::{Command, Envelope, SessionTag};
use state::request::{PutRequest, RangeRequest};
use types::{Entry, EntryKind, Epoch, Index, KeyRange, RegionId, Revision, Term};

use crate::replica::Replica;

/// Seconds this thread was on a processor: other programs' work is not counted.
pub(crate) fn now() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn entry(number: u64, key: u64) -> Entry {
    let put = PutRequest {
        key: Bytes::copy_from_slice(&key.to_be_bytes()),
        value: vec![7; 256].into(),
        ..PutRequest::default()
    };
    let envelope = Envelope {
        epoch: Epoch { version: 1, conf_ver: 1 },
        session: Some(SessionTag {
            client: 1,
            sequence: number,
            acknowledged: number.saturating_sub(100),
            again: false,
        }),
        command: Command::Put(put),
    };
    Entry { term: Term(1), index: Index(number), kind: EntryKind::Normal, data: envelope.encode() }
}

fn fill(name: &str, keys: u64, key: impl Fn(u64) -> u64) -> Replica {
    let mut replica = Replica::new(RegionId::DEFAULT);
    let (mut applying, mut finishing) = (0.0, 0.0);
    for from in (0..keys).step_by(100) {
        let entries: Vec<_> = (from..from + 100).map(|at| entry(at + 1, key(at))).collect();
        let start = now();
        let effects: Vec<_> = entries
            .iter()
            .map(|entry| {
                let Replica { machine, engine, batch, .. } = &mut replica;
                machine.apply(entry, engine, batch).unwrap()
            })
            .collect();
        applying += now() - start;
        drop(effects);
        let start = now();
        replica.machine.finish(&mut replica.batch);
        finishing += now() - start;
        replica.write();
    }
    let each = |seconds: f64| seconds * 1e6 / keys as f64;
    let memory = replica.machine.index_memory() as f64 / keys as f64;
    println!(
        "{name}: {:.2} us to apply a put, {:.2} us to finish, {memory:.1} bytes of index a key",
        each(applying),
        each(finishing)
    );
    replica
}

#[test]
#[ignore = "measures, proves nothing"]
fn measure() {
    let keys = 1_000_000;
    drop(fill("in order", keys, |at| at));
    let replica = fill("in no order", keys, |at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    drop(fill("the same 10,000", keys, |at| at * 7919 % 10_000));
    let start = now();
    let machine = Machine::load(RegionId::DEFAULT, &replica.engine).unwrap();
    println!("load: {:.2} s", (now() - start));
    println!("{:.1} bytes of index a key", machine.index_memory() as f64 / keys as f64);
    let range = |limit, revision, count_only| RangeRequest {
        range: KeyRange::all(),
        limit,
        revision: Revision(revision),
        count_only,
        ..RangeRequest::default()
    };
    for (name, request) in [
        ("count of all", range(0, 0, true)),
        ("first 500", range(500, 0, false)),
        ("first 500 at half", range(500, 500_000, false)),
    ] {
        let start = now();
        let selection = machine.select(&request).unwrap();
        let selected = (now() - start) * 1e6;
        let found = selection.fetch(&replica.engine).unwrap();
        let all = (now() - start) * 1e6;
        println!("{name}: {selected:.0} us to select, {all:.0} us in all, {} keys", found.count);
    }
}
