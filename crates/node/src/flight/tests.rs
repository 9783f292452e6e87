use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::RealDisk;

use super::{Event, Recorder, Timeline, read};

fn slow(ms: u64) -> Event {
    Event::SlowSync { ms }
}

fn recorder(directory: &Path, file_bytes: u64) -> Recorder {
    Recorder::new(Arc::new(RealDisk), directory, file_bytes)
}

/// Which of [`slow`] are there, in order.
fn found(timeline: &Timeline) -> Vec<u64> {
    timeline.entries.iter().map(|entry| entry.fields["ms"].as_u64().unwrap()).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(directory.join("flight")).unwrap();
    let mut all: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn what_is_around_damage_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut first = recorder(directory, 1 << 20);
    for ms in 0..100 {
        first.add(1_700_000_000_000 + ms, ms, &slow(ms));
        assert_eq!(first.write(), 0);
    }
    let all = read(&RealDisk, directory).unwrap();
    assert_eq!(found(&all), (0..100).collect::<Vec<_>>());
    let entry = &all.entries[7];
    assert_eq!((entry.wall_ms, entry.up_ms), (1_700_000_000_007, 7));
    assert_eq!(entry.kind, "slow_sync");

    // Every byte of a line counts, and costs that line only.
    let file = files(directory).remove(0);
    let good = std::fs::read(&file).unwrap();
    let line = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..line {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        let damaged = read(&RealDisk, directory).unwrap();
        let rest = found(&damaged);
        assert!(rest == (1..100).collect::<Vec<_>>() || (at + 1 == line && rest[0] == 2), "{at}");
        assert_eq!(damaged.damage[0].offset, 0);
        assert!(damaged.damage[0].len >= line as u64);
    }

    // The last line was being written when the process died; the next process goes on after it.
    std::fs::write(&file, &good[..good.len() - 5]).unwrap();
    let torn = read(&RealDisk, directory).unwrap();
    assert_eq!((found(&torn).len(), torn.damage.len()), (99, 0));
    let mut second = recorder(directory, 1 << 20);
    second.add(0, 0, &slow(100));
    assert_eq!(second.write(), 0);
    let after = read(&RealDisk, directory).unwrap();
    assert_eq!(found(&after)[98..], [98, 100]);
    assert_eq!(after.damage.len(), 1);
    // A power cut can leave zeros.
    let mut zeros = std::fs::read(&file).unwrap();
    zeros.extend_from_slice(&[0; 3000]);
    std::fs::write(&file, &zeros).unwrap();
    assert_eq!(read(&RealDisk, directory).unwrap().entries, after.entries);
}

#[test]
fn two_files_are_kept_and_none_grows_over_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut number = 0;
    for _ in 0..5 {
        let mut recorder = recorder(directory, 4_000);
        for _ in 0..50 {
            recorder.add(0, 0, &slow(number));
            assert_eq!(recorder.write(), 0);
            number += 1;
        }
        let files = files(directory);
        assert!(files.len() <= 2, "{files:?}");
        let sizes = files.iter().map(|file| std::fs::metadata(file).unwrap().len());
        assert!(sizes.max() <= Some(4_000));
    }
    let kept = found(&read(&RealDisk, directory).unwrap());
    assert!(kept.len() > 50, "{kept:?}");
    assert_eq!(kept, (number - kept.len() as u64..number).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_takes_nothing_costs_the_records_only() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("flight");
    std::fs::write(&blocked, b"a file where the directory should be").unwrap();
    let mut recorder = recorder(directory.path(), 1 << 20);
    recorder.add(0, 0, &slow(1));
    recorder.add(0, 0, &slow(2));
    assert_eq!(recorder.write(), 2);
    std::fs::remove_file(&blocked).unwrap();
    recorder.add(0, 0, &slow(3));
    assert_eq!(recorder.write(), 0);
    assert_eq!(found(&read(&RealDisk, directory.path()).unwrap()), [3]);
}

/// Members of a record that are named like those of its stamp would make it unreadable.
#[test]
fn every_event_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = recorder(directory.path(), 1 << 20);
    let text = || "\u{1}\"\\ü".to_owned();
    let events = [
        Event::Start { version: text(), name: text(), node: 1, pid: 2 },
        Event::Stop { reason: text() },
        Event::Failure { reason: text() },
        Event::Panic { thread: text(), message: text(), place: text() },
        Event::Leader { region: 1, leader: 0, term: 2 },
        Event::Leaders { regions: 1, by_leader: [(0, 1)].into(), last: vec![(1, 0, 2, 3)] },
        Event::Replicas { region: 1, nodes: vec![2, 3], learners: vec![4] },
        Event::Quarantine { region: 1, reason: text() },
        Event::SnapshotSent { region: 1, to: 2, index: 3 },
        Event::SnapshotFailed { region: 1, to: 2, reason: text() },
        Event::SnapshotInstalled { region: 1, index: 2 },
        Event::ReadOnly { free_bytes: 1, reserve_bytes: 2 },
        Event::Writable { free_bytes: 1 },
        slow(1),
        Event::Link { node: 1, there: true },
        Event::States { by_state: [(text(), 1)].into() },
        Event::ClockJump { by_ms: -1 },
        Event::Paused { ms: 1 },
        Event::Dropped { records: 1 },
    ];
    events.iter().for_each(|event| recorder.add(7, 9, event));
    recorder.add(7, 9, &super::Sample::default());
    assert_eq!(recorder.write(), 0);
    let timeline = read(&RealDisk, directory.path()).unwrap();
    assert_eq!(timeline.damage, []);
    assert_eq!(timeline.entries.len(), events.len() + 1);
    assert!(timeline.entries.iter().all(|entry| (entry.wall_ms, entry.up_ms) == (7, 9)));
    assert_eq!(timeline.entries.last().unwrap().kind, "sample");
}
