//! Damage and failures: a clear error, then nothing more.

use std::fs;
use std::path::{Path, PathBuf};

use storage::engine::{DiskEngine, Engine as _, Error};
use types::{Batch, Reader as _};

use super::bed::{Disk, Random, records, small};

fn write(engine: &DiskEngine, number: u32) -> Result<(), Error> {
    let mut batch = Batch::default();
    let mut random = Random(number.into());
    for sub in 0..64_u32 {
        let key = [number.to_be_bytes(), sub.to_be_bytes()].concat();
        batch.put(key, (0..125).flat_map(|_| random.next().to_be_bytes()).collect::<Vec<u8>>());
    }
    engine.write(batch)
}

pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// One flipped bit anywhere in a table: found when the engine is opened or when it is read, or
/// harmless. Never other records, never a panic.
#[test]
fn a_damaged_table_is_told_and_latches() {
    damage_a_table_of("runs/tables");
    damage_a_table_of("rest/tables");
}

fn damage_a_table_of(tree: &str) {
    let disk = Disk::new();
    {
        let engine = DiskEngine::open(disk.path(), small()).unwrap();
        for number in 0..40 {
            write(&engine, number).unwrap();
        }
        engine.persist().unwrap();
    }
    let good = records(&DiskEngine::open(disk.path(), small()).unwrap(), b"", b"\xff");
    let table = files(&disk.path().join(tree)).pop().expect("a table");
    let bytes = fs::read(&table).unwrap();
    let mut random = Random(3);
    let mut told = 0;
    for round in 0..60 {
        let mut bad = bytes.clone();
        // Headers, indexes and filters are small beside the data, so half of the rounds go there.
        let from = if round % 2 == 0 { 0 } else { bytes.len() - 4_096 };
        let at = from + random.below((bytes.len() - from) as u64) as usize;
        bad[at] ^= 1 << random.below(8);
        fs::write(&table, bad).unwrap();
        let Ok(engine) = DiskEngine::open(disk.path(), small()) else {
            told += 1;
            continue;
        };
        let mut found = Vec::new();
        let scanned = engine.scan(b"", b"\xff", &mut |key, value| {
            found.push((key, value));
            true
        });
        if scanned.is_ok() {
            assert!(found == good, "byte {at}: other records");
            continue;
        }
        told += 1;
        assert!(engine.stats().latched);
        assert!(matches!(write(&engine, 1), Err(Error::Latched(_))));
        assert!(matches!(engine.persist(), Err(Error::Latched(_))));
        assert!(engine.get(b"x").unwrap_err().to_string().contains("stopped after a failure"));
        assert!(engine.snapshot().get(b"x").is_err());
    }
    assert!(told > 30, "only {told} of 60");
}

/// The worker is gone, and nobody makes room any more.
#[test]
fn a_failed_flush_latches_and_does_not_hang() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    fs::remove_dir_all(disk.path().join("runs/tables")).unwrap();
    let error = (0..10_000).find_map(|number| write(&engine, number).err()).unwrap();
    assert!(matches!(error, Error::Latched(_)), "{error:?}");
    assert!(matches!(write(&engine, 1), Err(Error::Latched(_))));
}

/// Who waits for the disk learns that it failed.
#[test]
fn a_failed_flush_fails_who_persists() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    write(&engine, 1).unwrap();
    fs::remove_dir_all(disk.path().join("runs/tables")).unwrap();
    assert!(matches!(engine.persist(), Err(Error::Latched(_))));
    assert!(engine.get(b"x").is_err());
}

#[test]
fn a_directory_with_a_journal_is_named() {
    let disk = Disk::new();
    fs::create_dir_all(disk.path().join("keyspaces/1")).unwrap();
    let error = DiskEngine::open(disk.path(), small()).err().unwrap();
    assert!(matches!(error, Error::Format { .. }), "{error:?}");
    assert!(error.to_string().contains("a journal beside its tables"), "{error}");
}

/// Whatever files of the first opening a crash leaves, the next one makes the rest.
#[test]
fn a_crash_in_the_first_opening_is_got_over() {
    let disk = Disk::new();
    fs::create_dir_all(disk.path().join("rest/tables")).unwrap();
    drop(DiskEngine::open(disk.path(), small()).unwrap());
    fs::remove_file(disk.path().join("runs/current")).unwrap();
    fs::write(disk.path().join("runs/v0"), b"half").unwrap();
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    write(&engine, 1).unwrap();
    engine.persist().unwrap();
    drop(engine);
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    assert_eq!(records(&engine, b"", b"\xff").len(), 64);
}

/// Any state of the directory that a crash during flushes and merges leaves is a prefix of whole
/// batches. A merge or a flush may change files while they are copied, in whatever order: so a copy
/// counts only if nothing that names files changed meanwhile.
#[test]
fn a_directory_copied_at_any_moment_holds_a_prefix() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    let (mut seen, mut between) = (0, 0);
    for number in 0..400 {
        write(&engine, number).unwrap();
        let torn = Disk::new();
        let Some(pending) = copy(disk.path(), torn.path()) else { continue };
        between += u32::from(pending);
        // What a crash cuts short is named by nothing yet.
        fs::create_dir_all(torn.path().join("rest/tables")).unwrap();
        fs::write(torn.path().join("rest/tables/999999"), b"half a table").unwrap();
        let copied = DiskEngine::open(torn.path(), small()).unwrap();
        let all = records(&copied, b"", b"\xff");
        assert_eq!(all.len() % 64, 0, "a batch is there in part after {number}");
        assert!(all.len() <= 64 * (number as usize + 1) && all.len() >= seen);
        seen = all.len();
        for (at, (key, _)) in all.iter().enumerate() {
            let number = u32::from_be_bytes(key[..4].try_into().unwrap());
            assert_eq!(number as usize, at / 64, "a batch is missing");
        }
        assert!(!torn.path().join("pending").exists());
    }
    assert!(seen > 64, "nothing was flushed");
    println!("{between} copies in the middle of a flush");
}

/// What names other files, as it is now.
fn names(directory: &Path) -> Vec<Option<Vec<u8>>> {
    ["pending", "runs/current", "rest/current"]
        .map(|name| fs::read(directory.join(name)).ok())
        .into()
}

/// Answers whether a flush was under way; `None` if there is no whole copy.
pub(super) fn copy(from: &Path, to: &Path) -> Option<bool> {
    let before = names(from);
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        // What is named of these is never written again, and a link is quick.
        match file.parent().is_some_and(|parent| parent.ends_with("tables")) {
            true => fs::hard_link(&file, target).ok()?,
            false => drop(fs::copy(&file, target).ok()?),
        }
    }
    (names(from) == before).then(|| before[0].is_some())
}

/// A copy from between two steps of the engine, which may be merging still.
fn whole_copy(from: &Path) -> Disk {
    loop {
        let to = Disk::new();
        if copy(from, to.path()).is_some() {
            return to;
        }
    }
}

/// A crash at each step of a flush into both trees: all of it or nothing is there.
#[test]
fn a_flush_into_two_trees_is_one_step() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), small()).unwrap();
    write(&engine, 0).unwrap();
    engine.persist().unwrap();
    let before = whole_copy(disk.path());
    write(&engine, 1).unwrap();
    engine.persist().unwrap();
    drop(engine);
    // The file as the flush wrote it, with a number that nothing in the tables reaches or with theirs.
    let pending = |number: u64| {
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend(fs::read(before.path().join("runs/current")).unwrap());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    };
    let exists = |name: &str| disk.path().join(name).exists();
    assert!(exists("runs/current") && !exists("pending"));
    // Which trees had the flush when the crash came, what the file says, and the batches there then.
    for (trees, bytes, batches) in [
        (["before", "before"], pending(1_000_000)[..9].to_vec(), 1),
        (["before", "before"], pending(1_000_000), 1),
        (["after", "before"], pending(1_000_000), 1),
        (["after", "after"], pending(1), 2),
        (["after", "after"], Vec::new(), 2),
    ] {
        let crashed = Disk::new();
        copy(disk.path(), crashed.path()).unwrap();
        for (tree, state) in ["runs", "rest"].into_iter().zip(trees) {
            // What the flush made lies about in any case, as does what it found.
            for file in files(&before.path().join(tree)) {
                let target = crashed.path().join(file.strip_prefix(before.path()).unwrap());
                if !target.exists() || (state == "before" && target.ends_with("current")) {
                    fs::copy(&file, target).unwrap();
                }
            }
        }
        fs::write(crashed.path().join("pending"), bytes).unwrap();
        for more in 0..2 {
            let engine = DiskEngine::open(crashed.path(), small()).unwrap();
            assert_eq!(records(&engine, b"", b"\xff").len(), 64 * (batches + more), "{trees:?}");
            write(&engine, 2).unwrap();
            engine.persist().unwrap();
        }
    }
}
