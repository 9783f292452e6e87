//! Figures for `docs/architecture/storage.md`. Run:
//!
//! ```text
//! cargo run --release -p storage --example engine_bench -- write1 <directory>
//! ```
//!
//! Phases: `write1`, `write16`, `write256` (numbers are batch sizes), then `fill` and `read` on one
//! directory, and `paced`. Each is a process of its own, so that resident memory means something. More
//! words: memory in MiB, then `lz4` or `none`, then in how many regions the records are. As in a node,
//! each batch is of one region and tells how far that is applied.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must fail")]
#![allow(clippy::print_stdout, reason = "its figures are its purpose")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use storage::engine::{DiskEngine, DiskOptions, Engine};
use types::{Batch, Reader as _};

const RECORDS: u64 = 1_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [phase, directory, rest @ ..] = words.as_slice() else {
        println!("usage: engine_bench <phase> <directory> [memory MiB] [lz4|none] [regions]");
        return;
    };
    let memory: u64 = rest.first().map_or(64, |mib| mib.parse().unwrap());
    let compress = rest.get(1).is_none_or(|word| word == "lz4");
    let options = DiskOptions { memory_bytes: memory << 20, compress, family, resident_from: None };
    let regions: u64 = rest.get(2).map_or(1, |count| count.parse().unwrap());
    println!("{phase} {options:?}, {regions} regions");
    let bench = Bench { home: directory.into(), options, regions };
    match phase.as_str() {
        "fill" => bench.fill(),
        "read" => bench.read(),
        "paced" => bench.paced(),
        write => bench.writes(write.trim_start_matches("write").parse().unwrap()),
    }
}

/// As the node tells it.
fn family(key: &[u8]) -> Option<usize> {
    (key.get(8) == Some(&b'R')).then_some(9)
}

struct Bench {
    home: PathBuf,
    options: DiskOptions,
    regions: u64,
}

impl Bench {
    fn open(&self) -> DiskEngine {
        DiskEngine::open(&self.home, self.options).unwrap()
    }

    /// Regions take turns; each has ascending revisions.
    fn key(&self, number: u64) -> Vec<u8> {
        let (region, revision) = (number % self.regions, number / self.regions);
        [&region.to_be_bytes()[..], b"R", &revision.to_be_bytes(), &0_u32.to_be_bytes()].concat()
    }

    /// Records of one region, and how far it is applied.
    fn batch(&self, at: u64, size: u64, value_len: usize) -> Batch {
        let region = at % self.regions;
        let from = at / self.regions * size;
        let mut batch = Batch::default();
        for revision in from..from + size {
            let number = revision * self.regions + region;
            batch.put(self.key(number), value(number, value_len));
        }
        let applied = [&region.to_be_bytes()[..], b"A"].concat();
        batch.put(applied, (from + size).to_be_bytes().to_vec());
        batch
    }

    fn writes(&self, size: u64) {
        let engine = self.open();
        let count = 400_000 / if size == 1 { 2 } else { 1 };
        let batches: Vec<Batch> = (0..count / size).map(|at| self.batch(at, size, 279)).collect();
        let (from, cpu_from, written_from) = (Instant::now(), cpu(), written());
        let mut slowest = Duration::ZERO;
        for batch in batches {
            let one = Instant::now();
            engine.write(batch).unwrap();
            slowest = slowest.max(one.elapsed());
        }
        let wall = from.elapsed();
        let in_memory = cpu() - cpu_from;
        // What is still to be done belongs to the price.
        engine.persist().unwrap();
        settle(&engine);
        let spent = cpu() - cpu_from;
        println!(
            "batches of {size}: {:.2} us CPU per 300 B record (all threads; {:.2} until it was \
             written), {:.2} us wall, {} bytes on disk each, slowest batch {slowest:?}",
            spent * 1e6 / count as f64,
            in_memory * 1e6 / count as f64,
            wall.as_secs_f64() * 1e6 / count as f64,
            (written() - written_from) / count,
        );
    }

    /// The longest a batch waits when records come at a rate that a log would let through.
    fn paced(&self) {
        let engine = self.open();
        let (from, cpu_from, written_from) = (Instant::now(), cpu(), written());
        let (batches, size) = (10_000_u64, 32);
        let mut waits = Vec::new();
        for at in 0..batches {
            std::thread::sleep(Duration::from_millis(at).saturating_sub(from.elapsed()));
            let batch = self.batch(at, size, 279);
            let one = Instant::now();
            engine.write(batch).unwrap();
            waits.push(one.elapsed());
        }
        let spent = cpu() - cpu_from;
        waits.sort();
        let part = |of: usize| waits[waits.len() * of / 1000 - 1];
        println!(
            "{size} records each ms: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}; {spent:.2} s CPU \
             in {:?}, {} bytes on disk each, rss {} MB",
            part(500),
            part(990),
            part(999),
            part(1000),
            from.elapsed(),
            (written() - written_from) / (batches * size),
            rss(),
        );
    }

    fn fill(&self) {
        let engine = self.open();
        let (from, cpu_from, written_from) = (Instant::now(), cpu(), written());
        let mut peak = 0;
        for at in 0..RECORDS / 50 {
            engine.write(self.batch(at, 50, 264 - 21)).unwrap();
            peak = peak.max(rss());
        }
        println!("fill of {RECORDS}: {:?}, rss {} MB, peak {peak} MB", from.elapsed(), rss());
        engine.persist().unwrap();
        settle(&engine);
        println!(
            "settled: rss {} MB, cpu {:.1} s, {} bytes on disk each, {:?}",
            rss(),
            cpu() - cpu_from,
            (written() - written_from) / RECORDS,
            engine.stats()
        );
    }

    fn read(&self) {
        let from = Instant::now();
        let engine = self.open();
        println!("open: {:?}, rss {} MB, {:?}", from.elapsed(), rss(), engine.stats());
        self.gets(&engine);
        println!("after gets: rss {} MB", rss());
        scan(&engine);
        println!("after scans: rss {} MB, {:?}", rss(), engine.stats());
        // The records of one region go, as when it moves away.
        let from = Instant::now();
        engine.clear_range(&0_u64.to_be_bytes(), &1_u64.to_be_bytes()).unwrap();
        let count = RECORDS / self.regions;
        println!("clear {count} records: {:?}, rss {} MB", from.elapsed(), rss());
    }

    fn gets(&self, engine: &DiskEngine) {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % RECORDS
        };
        let count = 200_000_u32;
        let from = Instant::now();
        for _ in 0..count {
            assert!(engine.get(&self.key(random())).unwrap().is_some());
        }
        println!("get hit, uniform: {:?}", from.elapsed() / count);
        let from = Instant::now();
        for _ in 0..count {
            let newest = self.key(RECORDS - 1 - random() % 20_000);
            assert!(engine.get(&newest).unwrap().is_some());
        }
        println!("get hit, newest 20,000: {:?}", from.elapsed() / count);
        let from = Instant::now();
        for _ in 0..count {
            let mut absent = self.key(random());
            absent.push(1);
            assert!(engine.get(&absent).unwrap().is_none());
        }
        println!("get miss: {:?}", from.elapsed() / count);
        let from = Instant::now();
        for _ in 0..count {
            let newest = self.key(RECORDS - 1 - random() % 20_000);
            assert!(engine.snapshot().get(&newest).unwrap().is_some());
        }
        println!("snapshot and get, newest 20,000: {:?}", from.elapsed() / count);
    }
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

/// Waits until the files no longer change.
fn settle(engine: &DiskEngine) {
    let mut before = engine.stats();
    loop {
        std::thread::sleep(Duration::from_millis(700));
        let now = engine.stats();
        if now == before {
            return;
        }
        before = now;
    }
}

fn scan(engine: &DiskEngine) {
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

/// Bytes this process made the kernel write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}
