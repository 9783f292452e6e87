//! Damage and failures: a clear error, then nothing more.

use std::fs;
use std::path::{Path, PathBuf};

use storage::engine::{Engine as _, Error, FjallEngine};
use types::{Batch, Reader as _};

use super::bed::{Disk, Random, records, small};

fn write(engine: &FjallEngine, number: u32) -> Result<(), Error> {
    let mut batch = Batch::default();
    let mut random = Random(number.into());
    for sub in 0..64_u32 {
        let key = [number.to_be_bytes(), sub.to_be_bytes()].concat();
        batch.put(key, (0..125).flat_map(|_| random.next().to_be_bytes()).collect::<Vec<u8>>());
    }
    engine.write(batch)
}

fn files(directory: &Path) -> Vec<PathBuf> {
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
    let disk = Disk::new();
    {
        let engine = FjallEngine::open(disk.path(), small()).unwrap();
        for number in 0..40 {
            write(&engine, number).unwrap();
        }
    }
    let good = records(&FjallEngine::open(disk.path(), small()).unwrap(), b"", b"\xff");
    let table = files(&disk.path().join("keyspaces/1/tables")).pop().expect("a table");
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
        let Ok(engine) = FjallEngine::open(disk.path(), small()) else {
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

/// `fjall` itself would let the writer wait for ever here: its worker is gone, and its memtables
/// pile up.
#[test]
fn a_failed_flush_latches_and_does_not_hang() {
    let disk = Disk::new();
    let engine = FjallEngine::open(disk.path(), small()).unwrap();
    fs::remove_dir_all(disk.path().join("keyspaces/1/tables")).unwrap();
    let error = (0..10_000).find_map(|number| write(&engine, number).err()).unwrap();
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
    assert!(matches!(write(&engine, 1), Err(Error::Latched(_))));
}

#[test]
fn a_newer_format_is_named() {
    let disk = Disk::new();
    drop(FjallEngine::open(disk.path(), small()).unwrap());
    fs::write(disk.path().join("version"), b"FJL\x04").unwrap();
    let error = FjallEngine::open(disk.path(), small()).err().unwrap();
    assert!(matches!(error, Error::Format { .. }), "{error:?}");
    assert!(error.to_string().contains("format version 4"), "{error}");
    fs::write(disk.path().join("version"), b"rubbish").unwrap();
    let error = FjallEngine::open(disk.path(), small()).err().unwrap();
    assert!(error.to_string().contains("no readable format version"), "{error}");
}

/// A crash between the making of the journal and the version file left a directory that `fjall`
/// refuses to open ever again.
#[test]
fn a_crash_in_the_first_opening_is_got_over() {
    let disk = Disk::new();
    drop(FjallEngine::open(disk.path(), small()).unwrap());
    let journal = fs::read(disk.path().join("0.jnl")).unwrap();
    for marker in [None, Some(b"".as_slice())] {
        let fresh = Disk::new();
        fs::create_dir(fresh.path().join("keyspaces")).unwrap();
        fs::write(fresh.path().join("0.jnl"), &journal).unwrap();
        if let Some(marker) = marker {
            fs::write(fresh.path().join("version"), marker).unwrap();
        }
        let engine = FjallEngine::open(fresh.path(), small()).unwrap();
        write(&engine, 1).unwrap();
    }
    // With records in it, a directory without its version file is not made anew.
    fs::remove_file(disk.path().join("version")).unwrap();
    FjallEngine::open(disk.path(), small()).err().unwrap();
    assert!(disk.path().join("keyspaces/1").exists());
}

/// A torn tail is what a power cut leaves: the batches before it are there, the torn one is not.
#[test]
fn a_torn_journal_keeps_a_prefix_of_whole_batches() {
    let disk = Disk::new();
    {
        let engine = FjallEngine::open(disk.path(), small()).unwrap();
        for number in 0..20 {
            write(&engine, number).unwrap();
        }
    }
    let journal = disk.path().join("0.jnl");
    let bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for cut in [used - 1, used - 500, used / 2, used / 3] {
        let torn = Disk::new();
        copy(disk.path(), torn.path());
        fs::write(torn.path().join("0.jnl"), &bytes[..cut]).unwrap();
        let engine = FjallEngine::open(torn.path(), small()).unwrap();
        let all = records(&engine, b"", b"\xff");
        assert_eq!(all.len() % 64, 0, "a batch is there in part after a cut at {cut}");
        assert!(all.len() < 20 * 64 && !all.is_empty());
        for (at, (key, _)) in all.iter().enumerate() {
            let number = u32::from_be_bytes(key[..4].try_into().unwrap());
            assert_eq!(number as usize, at / 64, "a batch is missing");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
    // Empty directories count too.
    fs::create_dir_all(to.join("keyspaces/1/tables")).unwrap();
}
