//! What one write does to a region's log, and what readers see of it.

use storage::wal::{RegionLog, WalConfig, Write};
use types::{Index, RegionId, Term};

use super::bed::{compact, entries, hard, open, read_all, remove, reset, small};
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
        generation: None,
    }
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
