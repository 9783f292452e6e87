//! A real process that writes, is killed with SIGKILL, and its directory opened again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use storage::engine::{DiskEngine, Engine as _, Error};
use types::{Batch, Reader as _};

use super::bed::{Disk, Random, small};

const DIRECTORY: &str = "STORAGE_TEST_CRASH_DIRECTORY";
const COUNTER: &[u8] = b"counter";
/// Batches after which the child persists.
const PERSIST_EVERY: u64 = 40;

/// Starts this test binary again, as the process that writes until it is killed.
fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["engine::crash::child_that_writes", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test: the body of the child process. Without the variable it does nothing.
#[test]
fn child_that_writes() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let engine = DiskEngine::open(Path::new(&directory), small()).unwrap();
    let mut stdout = std::io::stdout().lock();
    for number in counter(&engine) + 1.. {
        engine.write(batch(number)).unwrap();
        if number % PERSIST_EVERY == 0 {
            engine.persist().unwrap();
        }
        writeln!(stdout, "\nacked {number}").unwrap();
    }
}

/// Every batch has a size and values of its own, and moves the counter in the same write.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::default();
    let mut random = Random(number);
    for sub in 0..=random.below(40) {
        batch.put(key(number, sub), vec![number as u8; random.below(3_000) as usize]);
    }
    batch.put(COUNTER, number.to_be_bytes().to_vec());
    batch
}

fn key(number: u64, sub: u64) -> Vec<u8> {
    [&b"record"[..], &number.to_be_bytes(), &sub.to_be_bytes()].concat()
}

fn counter(engine: &DiskEngine) -> u64 {
    let value = engine.get(COUNTER).unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()))
}

/// Kills the child after `acks` of its acknowledgements and answers the last one.
fn kill_after(mut child: Child, acks: u64) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut seen = 0;
    let mut note = |line: String| {
        if let Some(number) = line.strip_prefix("acked ") {
            last = number.parse().unwrap();
            seen += 1;
        }
        seen
    };
    while note(lines.next().expect("the child ended by itself").unwrap()) < acks {}
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts too; its last line may be cut.
    for line in lines.map_while(Result::ok).filter(|line| line.len() > "acked 1".len()) {
        let number: u64 = line.strip_prefix("acked ").unwrap().parse().unwrap();
        // A cut number is smaller than its predecessor, a whole one the next.
        if number == last + 1 {
            last = number;
        }
    }
    last
}

#[test]
fn a_prefix_with_all_that_was_persisted_survives_sigkill() {
    let disk = Disk::new();
    let mut random = Random(7);
    let mut acked = 0;
    for round in 0..6 {
        let last = kill_after(start(disk.path()), 2 * PERSIST_EVERY + random.below(300));
        assert!(last > acked, "round {round} wrote nothing");
        let engine = DiskEngine::open(disk.path(), small()).unwrap();
        let written = counter(&engine);
        let persisted = last - last % PERSIST_EVERY;
        assert!(written >= persisted, "round {round}: persisted {persisted}, found {written}");
        acked = written;
        let mut expected = Batch::default();
        for number in 1..=written {
            expected.ops.extend(batch(number).ops);
            expected.ops.pop();
        }
        let mut found = Batch::default();
        engine
            .scan(b"record", b"recore", &mut |key, value| {
                found.put(key, value);
                true
            })
            .unwrap();
        assert!(expected == found, "round {round}: batches up to {written} are not whole");
    }
}

#[test]
fn a_directory_in_use_by_another_process_is_named() {
    let disk = Disk::new();
    let mut child = start(disk.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().starts_with("acked") {}
    let error = DiskEngine::open(disk.path(), small()).err().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another process"));
    DiskEngine::open(disk.path(), small()).unwrap();
}
