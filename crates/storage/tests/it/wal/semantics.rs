//! What one write does to a region's log, and what readers see of it.

use std::sync::atomic::{AtomicBool, Ordering};

use storage::wal::{Error, RegionLog, WalConfig, Write};
use types::{Index, RegionId, Term};

use super::bed::{compact, entries, entry, hard, open, read_all, remove, reset, small};
use crate::fault_disk::FaultDisk;

const REGION: RegionId = RegionId(3);

fn indexes(wal: &storage::wal::Wal, region: u64) -> Vec<(u64, u64)> {
    let entries = read_all(wal, region).unwrap();
    entries.iter().map(|entry| (entry.index.get(), entry.term.get())).collect()
}

#[test]
fn each_kind_of_write_does_what_it_says_and_is_the_same_after_a_restart() {
    let disk = FaultDisk::new(512);
    let (mut wal, held) = open(&disk, small()).unwrap();
    assert!(held.is_empty());
    let mut first = entries(3, 1, 5, 1, 100);
    first.hard_state = Some(hard(1, 9, 4));
    let steps = [
        (first, log(Some((1, 9, 4)), (1, 0), (5, 1)), vec![(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]),
        (
            entries(3, 4, 4, 2, 10),
            log(Some((1, 9, 4)), (1, 0), (4, 2)),
            vec![(1, 1), (2, 1), (3, 1), (4, 2)],
        ),
        (compact(3, 3, 1), log(Some((1, 9, 4)), (4, 1), (4, 2)), vec![(4, 2)]),
        // Older than what is compacted: nothing to do.
        (compact(3, 2, 1), log(Some((1, 9, 4)), (4, 1), (4, 2)), vec![(4, 2)]),
        (
            Write { hard_state: Some(hard(3, 0, 4)), ..compact(3, 4, 2) },
            log(Some((3, 0, 4)), (5, 2), (4, 2)),
            vec![],
        ),
        (reset(3, 100, 7), log(Some((3, 0, 4)), (101, 7), (100, 7)), vec![]),
        (
            Write { entries: entries(3, 201, 202, 8, 1).entries, ..reset(3, 200, 8) },
            log(Some((3, 0, 4)), (201, 8), (202, 8)),
            vec![(201, 8), (202, 8)],
        ),
        // A reset may go back, too.
        (reset(3, 10, 9), log(Some((3, 0, 4)), (11, 9), (10, 9)), vec![]),
    ];
    for (write, expected, at) in steps {
        wal.append(std::slice::from_ref(&write)).unwrap();
        wal.sync().unwrap();
        assert_eq!(wal.reader().region(REGION), Some(expected), "after {write:?}");
        assert_eq!(indexes(&wal, 3), at, "after {write:?}");
        drop(wal);
        let held;
        (wal, held) = open(&disk, small()).unwrap();
        assert_eq!(held.get(&REGION), Some(&expected), "read back after {write:?}");
        assert_eq!(indexes(&wal, 3), at, "read back after {write:?}");
    }
    wal.append(&[remove(3), remove(99)]).unwrap();
    assert_eq!(wal.reader().region(REGION), None);
    // The number may come again, as if for the first time.
    wal.append(&[entries(3, 1, 2, 1, 5)]).unwrap();
    wal.sync().unwrap();
    drop(wal);
    let (wal, held) = open(&disk, small()).unwrap();
    assert_eq!(held.get(&REGION), Some(&log(None, (1, 0), (2, 1))));
    assert_eq!(indexes(&wal, 3), [(1, 1), (2, 1)]);
}

fn log(hard_state: Option<(u64, u64, u64)>, first: (u64, u64), last: (u64, u64)) -> RegionLog {
    RegionLog {
        hard_state: hard_state.map(|(term, vote, commit)| hard(term, vote, commit)),
        first: Index(first.0),
        prev_term: Term(first.1),
        last: Index(last.0),
        last_term: Term(last.1),
    }
}

#[test]
fn a_write_that_does_not_fit_is_refused_whole_and_the_log_goes_on() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(3, 1, 5, 1, 10), compact(3, 2, 1)]).unwrap();
    let before = wal.reader().stats();
    let mut torn = entries(3, 6, 8, 1, 10);
    torn.entries.remove(1);
    let bad = [
        entries(3, 7, 7, 1, 10),
        entries(3, 2, 4, 1, 10),
        entries(4, 2, 2, 1, 10),
        torn,
        compact(3, 6, 1),
        compact(4, 1, 1),
        Write { remove: true, ..compact(3, 4, 1) },
        reset(3, u64::MAX, 1),
    ];
    for write in bad {
        let error = wal.append(&[entries(9, 1, 1, 1, 1), write.clone()]);
        let refused = matches!(error, Err(Error::Invalid { region, .. }) if region == write.region);
        assert!(refused, "{write:?}: {error:?}");
    }
    assert_eq!(wal.reader().stats(), before);
    // A later write of a call is held against the earlier ones.
    wal.append(&[entries(3, 6, 6, 1, 1), entries(3, 7, 7, 1, 1), remove(3)]).unwrap();
    wal.append(&[reset(3, 7, 1), entries(3, 8, 8, 1, 1), compact(3, 8, 1)]).unwrap();
    assert_eq!(wal.reader().region(REGION).unwrap(), log(None, (9, 1), (8, 1)));
}

#[test]
fn reads_are_bounded_and_say_what_is_not_there() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(3, 1, 40, 2, 100)]).unwrap();
    wal.append(&[entries(3, 41, 50, 3, 100), compact(3, 20, 2)]).unwrap();
    let reader = wal.reader();
    let read = |low, high, max| {
        let entries = reader.entries(REGION, Index(low), Index(high), max)?;
        Ok::<Vec<u64>, Error>(entries.iter().map(|entry| entry.index.get()).collect())
    };
    assert_eq!(read(21, 51, u64::MAX).unwrap(), (21..51).collect::<Vec<_>>());
    assert_eq!(read(39, 43, u64::MAX).unwrap(), [39, 40, 41, 42]);
    assert_eq!(read(39, 51, 350).unwrap(), [39, 40, 41]);
    assert_eq!(read(39, 51, 0).unwrap(), [39]);
    assert_eq!(read(30, 30, 99).unwrap(), []);
    assert!(matches!(read(20, 30, 99), Err(Error::Compacted { first: Index(21), .. })));
    assert!(matches!(read(50, 52, 99), Err(Error::Unavailable { last: Index(50), .. })));
    let nobody = reader.entries(RegionId(8), Index(1), Index(2), 9);
    assert!(matches!(nobody, Err(Error::UnknownRegion(RegionId(8)))));
    for (index, term) in [(20, 2), (21, 2), (40, 2), (41, 3), (50, 3)] {
        assert_eq!(reader.term(REGION, Index(index)).unwrap(), Term(term), "at {index}");
    }
    assert!(reader.term(REGION, Index(19)).is_err());
    assert!(reader.term(REGION, Index(51)).is_err());
}

#[test]
fn values_larger_than_a_segment_get_one_of_their_own() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(3, 1, 2, 1, 50)]).unwrap();
    wal.append(&[entries(3, 3, 5, 1, 1_572_864)]).unwrap();
    wal.append(&[entries(3, 6, 7, 1, 3000)]).unwrap();
    wal.sync().unwrap();
    drop(wal);
    let (mut wal, _) = open(&disk, small()).unwrap();
    let lens: Vec<usize> =
        read_all(&wal, 3).unwrap().iter().map(|entry| entry.data.len()).collect();
    assert_eq!(lens, [50, 50, 1_572_864, 1_572_864, 1_572_864, 3000, 3000]);
    assert_eq!(wal.reader().stats().segments, 3);
    wal.append(&[compact(3, 7, 1)]).unwrap();
    wal.sync().unwrap();
    wal.reclaim().unwrap();
    // The large one is not kept for use again.
    let stats = wal.reader().stats();
    assert_eq!((stats.segments, stats.spares), (1, 1));
}

#[test]
fn a_call_is_one_write_and_many_calls_one_sync() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, WalConfig::default()).unwrap();
    let before = disk.counts();
    for round in 1..=10 {
        let writes: Vec<Write> =
            (1..=50).map(|region| entries(region, round, round, 1, 300)).collect();
        wal.append(&writes).unwrap();
    }
    wal.sync().unwrap();
    wal.sync().unwrap();
    wal.append(&[]).unwrap();
    wal.sync().unwrap();
    wal.reclaim().unwrap();
    let after = disk.counts();
    // And one that writes ahead in the new segment.
    assert_eq!(after.writes - before.writes, 11);
    assert_eq!(after.syncs - before.syncs, 1);
    assert_eq!(after.operations - before.operations, 12);
}

/// Readers run while the writer compacts, overwrites, and recycles the files under them.
#[test]
fn readers_never_see_what_was_not_written() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(3, 1, 1, 1, 700)]).unwrap();
    let stop = AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (reader, stop) = (wal.reader(), &stop);
                scope.spawn(move || {
                    let mut read = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let log = reader.region(REGION).unwrap();
                        match reader.entries(REGION, log.first, log.last.next(), 20_000) {
                            Ok(found) => {
                                for (found, index) in found.iter().zip(log.first.get()..) {
                                    let expected = entries(3, index, index, 1, 700).entries;
                                    assert_eq!(found, &expected[0]);
                                    read += 1;
                                }
                            }
                            Err(Error::Compacted { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    read
                })
            })
            .collect();
        for index in 2..3000 {
            wal.append(&[entries(3, index, index, 1, 700)]).unwrap();
            if index % 50 == 0 {
                wal.append(&[compact(3, index - 20, 1)]).unwrap();
                wal.sync().unwrap();
                wal.reclaim().unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(read > 0);
    assert!(disk.counts().created < 10, "files are used again: {:?}", disk.counts());
}

#[test]
fn an_entry_of_a_reader_outlives_the_log() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[Write {
        region: REGION,
        entries: vec![entry(1, 1, b"kept")],
        ..Write::default()
    }])
    .unwrap();
    let read = wal.reader().entries(REGION, Index(1), Index(2), 100).unwrap();
    drop(wal);
    assert_eq!(read[0].data.as_ref(), b"kept");
}
