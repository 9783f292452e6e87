//! The file a snapshot is kept in.

use std::fs;

use env::RealDisk;
use storage::snapshot::{Damage, Error, PendingInstall, SnapshotWriter, clean};

use super::bed::{Folder, all, source};

#[test]
fn a_damaged_file_is_refused_wherever_the_damage_is() {
    let engine = source(30, |number| vec![number as u8; 300]);
    let folder = Folder::new();
    let file = folder.receive("s", &all(&engine, 4096)).unwrap();
    let good = fs::read(file.path()).unwrap();
    assert_eq!(good.len() as u64, file.file_bytes());
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(file.path(), bad).unwrap();
        folder.open(file.path()).map(|_| ()).unwrap_err();
    }
    for len in (0..good.len()).step_by(13) {
        fs::write(file.path(), &good[..len]).unwrap();
        let error = folder.open(file.path()).map(|_| ()).unwrap_err();
        let right = matches!(error, Error::Incomplete { .. } | Error::Damaged { .. });
        assert!(right, "cut to {len}: {error}");
    }
    fs::write(file.path(), [good.as_slice(), b"more"].concat()).unwrap();
    folder.open(file.path()).map(|_| ()).unwrap_err();
    fs::write(file.path(), &good).unwrap();
    folder.open(file.path()).unwrap();
}

/// A length of 4 GiB in a file of some bytes must not be believed.
#[test]
fn a_length_beyond_the_file_takes_no_memory() {
    let folder = Folder::new();
    let file = folder.receive("s", &all(&source(3, |_| vec![1; 50]), 4096)).unwrap();
    for len in [u32::MAX, 60_000_000] {
        let mut bytes = fs::read(file.path()).unwrap();
        bytes[12..16].copy_from_slice(&len.to_le_bytes());
        fs::write(file.path(), bytes).unwrap();
        let error = folder.open(file.path()).map(|_| ()).unwrap_err();
        let right = matches!(error, Error::Damaged { chunk: 0, damage: Damage::Length });
        assert!(right, "{error}");
    }
}

#[test]
fn unfinished_and_unused_files_go_at_the_start() {
    let folder = Folder::new();
    let stream = all(&source(3, |_| vec![1; 50]), 4096);
    folder.receive("used", &stream).unwrap();
    folder.receive("unused", &stream).unwrap();
    let mut unfinished = folder.writer("unfinished");
    unfinished.accept(&stream[0]).unwrap();
    drop(unfinished);
    folder.writer("aborted").abort().unwrap();
    fs::write(folder.path().join("other.txt"), "not ours").unwrap();
    let names = || -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["other.txt", "unfinished.partial", "unused.snapshot", "used.snapshot"]);
    let pending =
        PendingInstall { start: "a".into(), end: "b".into(), file: "used.snapshot".into() };
    clean(&RealDisk, &folder.path(), &[pending]).unwrap();
    assert_eq!(names(), ["other.txt", "used.snapshot"]);
    clean(&RealDisk, &folder.path().join("missing"), &[]).unwrap();
}

#[test]
fn a_name_cannot_leave_the_directory() {
    let folder = Folder::new();
    for name in ["", "../up", "a/b", "a.b", &"n".repeat(101)] {
        let made = SnapshotWriter::create(folder.disk(), &folder.path(), name);
        assert!(matches!(made, Err(Error::Name(_))), "{name}");
    }
}

/// A receiver that starts again overwrites what it had, also where that was longer.
#[test]
fn a_second_attempt_starts_from_nothing() {
    let folder = Folder::new();
    let mut long = folder.writer("s");
    for chunk in &all(&source(100, |_| vec![1; 500]), 4096)[..5] {
        long.accept(chunk).unwrap();
    }
    drop(long);
    let file = folder.receive("s", &all(&source(3, |_| vec![1; 50]), 4096)).unwrap();
    assert_eq!(folder.open(file.path()).unwrap().totals().records, 3);
    let path = file.path().to_owned();
    file.remove().unwrap();
    assert!(!path.exists());
}
