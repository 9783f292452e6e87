//! Old segments go, are used again, and never come back; nobody pins them for ever.

use storage::wal::{Reclaimed, Wal};
use types::{Index, RegionId};

use super::bed::{compact, entries, hard, open, read_all, remove, segment, small};
use crate::fault_disk::{FaultDisk, Random};

/// Syncs and reclaims until there is nothing more to do; answers all that was done.
fn reclaim_all(wal: &mut Wal) -> Reclaimed {
    let mut all = Reclaimed::default();
    for _ in 0..1000 {
        wal.sync().unwrap();
        let done = wal.reclaim().unwrap();
        all.segments += done.segments;
        all.moved_bytes += done.moved_bytes;
        if !done.more {
            return all;
        }
    }
    panic!("reclaim goes on for ever: {all:?}");
}

#[test]
fn a_lagging_region_does_not_pin_the_log() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    // Region 1 writes once and falls silent; regions 100.. only ever had a state.
    let mut silent = entries(1, 1, 30, 1, 200);
    silent.hard_state = Some(hard(1, 2, 3));
    wal.append(std::slice::from_ref(&silent)).unwrap();
    for region in 100..200 {
        let mut write = entries(region, 1, 1, 1, 0);
        write.hard_state = Some(hard(1, region, 0));
        wal.append(&[write]).unwrap();
    }
    let mut high_water = 0;
    let mut moved = 0;
    for index in 1..=6000 {
        wal.append(&[entries(2, index, index, 1, 500)]).unwrap();
        if index % 20 == 0 {
            wal.append(&[compact(2, index - 10, 1)]).unwrap();
            wal.sync().unwrap();
            moved += wal.reclaim().unwrap().moved_bytes;
            high_water = high_water.max(wal.reader().stats().bytes);
        }
    }
    let limit = small().reclaim_bytes + 2 * small().segment_bytes;
    assert!(high_water < limit, "{high_water} bytes of log, at most {limit} wanted");
    // 3 MB went by; the silent ones' 8 KB were moved along, once per turn of the log.
    assert!((6_000..300_000).contains(&moved), "{moved} bytes moved");
    for restart in [false, true] {
        if restart {
            wal.settle().unwrap();
            drop(wal);
            wal = open(&disk, small()).unwrap().0;
        }
        assert_eq!(read_all(&wal, 1).unwrap(), silent.entries);
        assert_eq!(wal.reader().region(RegionId(1)).unwrap().hard_state, silent.hard_state);
        for region in 100..200 {
            let log = wal.reader().region(RegionId(region)).unwrap();
            assert_eq!(log.hard_state, Some(hard(1, region, 0)));
            assert_eq!(log.last, Index(1));
        }
    }
}

#[test]
fn a_log_that_is_needed_is_not_moved_in_circles() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    for index in 1..=1000 {
        wal.append(&[entries(1, index, index, 1, 500)]).unwrap();
    }
    assert_eq!(reclaim_all(&mut wal), Reclaimed::default());
    let stats = wal.reader().stats();
    assert!(stats.live_bytes > small().reclaim_bytes, "{stats:?}");
    // Compacting is what helps, whole segments at a time.
    wal.append(&[compact(1, 990, 1)]).unwrap();
    let done = reclaim_all(&mut wal);
    assert_eq!(done.moved_bytes, 0);
    assert!(done.segments >= 7, "{done:?}");
    let stats = wal.reader().stats();
    assert_eq!((stats.segments, stats.spares), (1, 2));
}

#[test]
fn nothing_goes_before_what_replaced_it_is_durable() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    for index in 1..=400 {
        wal.append(&[entries(1, index, index, 1, 500)]).unwrap();
    }
    wal.sync().unwrap();
    wal.append(&[compact(1, 400, 1)]).unwrap();
    assert_eq!(wal.reclaim().unwrap().segments, 0, "the compaction is not durable");
    wal.sync().unwrap();
    assert!(wal.reclaim().unwrap().segments > 0);
}

/// A recycled file holds whole, valid batches of its earlier life. Whatever the new one's length and
/// however it ends, none of them comes back.
#[test]
fn recycled_segments_never_bring_back_their_earlier_life() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let disk = FaultDisk::new(512);
        let (mut wal, _) = open(&disk, small()).unwrap();
        // All batches of one size, so that old ones begin exactly where new ones end.
        let mut index = 0;
        while wal.reader().stats().segments < 3 {
            index += 1;
            wal.append(&[entries(1, index, index, 1, 500)]).unwrap();
        }
        wal.append(&[remove(1)]).unwrap();
        wal.sync().unwrap();
        assert_eq!(wal.reclaim().unwrap().segments, 2);
        let mut last = 0;
        while wal.reader().stats().segments < 2 {
            last += 1;
            wal.append(&[entries(2, last, last, 1, 500)]).unwrap();
        }
        for _ in 0..random.below(20) {
            last += 1;
            wal.append(&[entries(2, last, last, 1, 500)]).unwrap();
        }
        wal.sync().unwrap();
        let old = disk.contents(&segment(4));
        assert!(old.windows(4).filter(|bytes| bytes == b"HBAT").count() > 50, "it is recycled");
        wal.append(&[entries(2, last + 1, last + 1, 1, 500)]).unwrap();
        drop(wal);
        disk.restart(&mut random);
        let (wal, held) = open(&disk, small()).unwrap();
        assert_eq!(held.keys().collect::<Vec<_>>(), [&RegionId(2)]);
        let read = read_all(&wal, 2).unwrap().len() as u64;
        assert!(read == last || read == last + 1, "{read} entries, {last} were synced");
    }
}

/// A cut tail must not come back either, when a new batch of the same size takes its place.
#[test]
fn a_cut_tail_never_comes_back() {
    let mut cut = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let disk = FaultDisk::new(512);
        let (mut wal, _) = open(&disk, small()).unwrap();
        wal.append(&[entries(1, 1, 3, 1, 500)]).unwrap();
        wal.sync().unwrap();
        for index in 4..20 {
            wal.append(&[entries(1, index, index, 1, 500)]).unwrap();
        }
        drop(wal);
        disk.restart(&mut random);
        let (mut wal, held) = open(&disk, small()).unwrap();
        let last = held[&RegionId(1)].last.get();
        cut += u64::from((4..19).contains(&last));
        wal.append(&[entries(1, last + 1, last + 1, 2, 500)]).unwrap();
        wal.sync().unwrap();
        drop(wal);
        disk.restart(&mut random);
        let (wal, held) = open(&disk, small()).unwrap();
        assert_eq!(held[&RegionId(1)].last.get(), last + 1, "seed {seed}");
        let terms: Vec<u64> =
            read_all(&wal, 1).unwrap().iter().map(|entry| entry.term.get()).collect();
        assert_eq!(terms.iter().filter(|term| **term == 2).count(), 1, "seed {seed}: {terms:?}");
    }
    assert!(cut > 20, "only {cut} runs had a torn tail");
}
