//! Figures for `docs/architecture/storage.md`. Run:
//!
//! ```text
//! cargo run --release -p storage --example engine_bench -- write1 <directory>
//! ```
//!
//! Phases: `write1`, `write16`, `write256` (numbers are batch sizes), then `fill` and `read` on one
//! directory. Each is a process of its own, so that resident memory means something. More words:
//! memory in MiB, then `lz4` or `none`.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must fail")]
#![allow(clippy::print_stdout, reason = "its figures are its purpose")]

use std::path::Path;
use std::time::Instant;

use storage::engine::{Engine, FjallEngine, FjallOptions};
use types::{Batch, Reader as _};

const RECORDS: u64 = 1_000_000;
const REGIONS: u64 = 10;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [phase, directory, rest @ ..] = words.as_slice() else {
        println!("usage: engine_bench <phase> <directory> [memory MiB] [lz4|none]");
        return;
    };
    let memory: u64 = rest.first().map_or(64, |mib| mib.parse().unwrap());
    let compress = rest.get(1).is_none_or(|word| word == "lz4");
    let options = FjallOptions { memory_bytes: memory << 20, compress };
    println!("{phase} {options:?}");
    let home = Path::new(directory);
    match phase.as_str() {
        "fill" => fill(home, options),
        "read" => read(home, options),
        "paced" => paced(home, options),
        write => writes(home, options, write.trim_start_matches("write").parse().unwrap()),
    }
}

fn read(home: &Path, options: FjallOptions) {
    let from = Instant::now();
    let engine = FjallEngine::open(home, options).unwrap();
    println!("open: {:?}, rss {} MB, {:?}", from.elapsed(), rss(), engine.stats());
    gets(&engine);
    println!("after gets: rss {} MB", rss());
    scan(&engine);
    println!("after scans: rss {} MB, {:?}", rss(), engine.stats());
    // The records of one region go, as when it moves away.
    let from = Instant::now();
    engine.clear_range(&1_u64.to_be_bytes(), &2_u64.to_be_bytes()).unwrap();
    println!("clear {} records: {:?}, rss {} MB", RECORDS / REGIONS, from.elapsed(), rss());
}

/// Regions take turns, as they do in a node; each has ascending revisions.
fn key(number: u64) -> Vec<u8> {
    let (region, revision) = (number % REGIONS, number / REGIONS);
    [&region.to_be_bytes()[..], b"r", &revision.to_be_bytes(), &0_u32.to_be_bytes()].concat()
}

/// The first half is random, the second is the same words again and again.
fn value(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|at| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if at < len / 2 { state as u8 } else { b"{\"name\":\"hiraeth\"}"[at % 18] }
        })
        .collect()
}

fn writes(home: &Path, options: FjallOptions, size: u64) {
    let engine = FjallEngine::open(home, options).unwrap();
    let count = 400_000 / if size == 1 { 2 } else { 1 };
    let batches: Vec<Batch> = (0..count / size)
        .map(|batch| {
            let mut out = Batch::default();
            for number in batch * size..(batch + 1) * size {
                out.put(key(number), value(number, 279));
            }
            out
        })
        .collect();
    let (from, cpu_from) = (Instant::now(), cpu());
    let mut slowest = std::time::Duration::ZERO;
    for batch in batches {
        let one = Instant::now();
        engine.write(batch).unwrap();
        slowest = slowest.max(one.elapsed());
    }
    let wall = from.elapsed();
    // What the worker still has to do belongs to the price.
    settle(&engine);
    let spent = cpu() - cpu_from;
    println!(
        "batches of {size}: {:.2} us CPU per 300 B record (all threads), {:.2} us wall, \
         slowest batch {slowest:?}",
        spent * 1e6 / count as f64,
        wall.as_secs_f64() * 1e6 / count as f64,
    );
}

/// The longest a batch waits when records come at a rate that a log would let through.
fn paced(home: &Path, options: FjallOptions) {
    let engine = FjallEngine::open(home, options).unwrap();
    let (from, cpu_from) = (Instant::now(), cpu());
    let (batches, size) = (10_000_u64, 32);
    let mut waits = Vec::new();
    let mut syncs = std::time::Duration::ZERO;
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let engine = &engine;
        let syncer = scope.spawn(move || {
            let mut slowest = std::time::Duration::ZERO;
            let second = std::time::Duration::from_secs(1);
            while stopped.recv_timeout(second) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let one = Instant::now();
                engine.persist().unwrap();
                slowest = slowest.max(one.elapsed());
            }
            slowest
        });
        for number in 0..batches {
            let due = std::time::Duration::from_millis(number);
            std::thread::sleep(due.saturating_sub(from.elapsed()));
            let mut batch = Batch::default();
            for number in number * size..(number + 1) * size {
                batch.put(key(number), value(number, 279));
            }
            let one = Instant::now();
            engine.write(batch).unwrap();
            waits.push(one.elapsed());
        }
        drop(stop);
        syncs = syncer.join().unwrap();
    });
    let spent = cpu() - cpu_from;
    waits.sort();
    let part = |of: usize| waits[waits.len() * of / 1000 - 1];
    println!(
        "{size} records each ms: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}; persist max {syncs:?}; \
         {spent:.2} s CPU in {:?}, rss {} MB",
        part(500),
        part(990),
        part(999),
        part(1000),
        from.elapsed(),
        rss(),
    );
}

/// Waits until the files no longer change.
fn settle(engine: &FjallEngine) {
    let mut before = engine.stats();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let now = engine.stats();
        if now == before {
            return;
        }
        before = now;
    }
}

fn fill(home: &Path, options: FjallOptions) {
    let engine = FjallEngine::open(home, options).unwrap();
    let (from, cpu_from) = (Instant::now(), cpu());
    let mut peak = 0;
    for start in (0..RECORDS).step_by(64) {
        let mut batch = Batch::default();
        for number in start..RECORDS.min(start + 64) {
            batch.put(key(number), value(number, 264 - 21));
        }
        engine.write(batch).unwrap();
        peak = peak.max(rss());
    }
    println!("fill of {RECORDS}: {:?}, rss {} MB, peak {peak} MB", from.elapsed(), rss());
    settle(&engine);
    println!("settled: rss {} MB, cpu {:.1} s, {:?}", rss(), cpu() - cpu_from, engine.stats());
}

fn gets(engine: &FjallEngine) {
    let mut state = 1_u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % RECORDS
    };
    let count = 200_000_u32;
    let from = Instant::now();
    for _ in 0..count {
        assert!(engine.get(&key(random())).unwrap().is_some());
    }
    println!("get hit, uniform: {:?}", from.elapsed() / count);
    let from = Instant::now();
    for _ in 0..count {
        assert!(engine.get(&key(RECORDS - 1 - random() % 20_000)).unwrap().is_some());
    }
    println!("get hit, newest 20,000: {:?}", from.elapsed() / count);
    let from = Instant::now();
    for _ in 0..count {
        let mut absent = key(random());
        absent.push(1);
        assert!(engine.get(&absent).unwrap().is_none());
    }
    println!("get miss: {:?}", from.elapsed() / count);
    let from = Instant::now();
    for _ in 0..count {
        assert!(engine.snapshot().get(&key(RECORDS - 1 - random() % 20_000)).unwrap().is_some());
    }
    println!("snapshot and get, newest 20,000: {:?}", from.elapsed() / count);
}

fn scan(engine: &FjallEngine) {
    for round in 0..2 {
        let (mut records, mut bytes) = (0_u64, 0_u64);
        let from = Instant::now();
        engine
            .snapshot()
            .scan(b"", b"\xff", &mut |key, value| {
                records += 1;
                bytes += (key.len() + value.len()) as u64;
                true
            })
            .unwrap();
        let took = from.elapsed();
        println!(
            "full scan {round}: {records} records in {took:?}, {:.0} MB/s",
            bytes as f64 / 1e6 / took.as_secs_f64()
        );
    }
}

/// Resident memory in MB.
fn rss() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 / 1_000_000
}

/// CPU seconds of this process, all threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}
