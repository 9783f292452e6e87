//! Damage to what was durable is found, never taken for the end of the log.

use storage::wal::Error;
use types::{Index, RegionId};

use super::bed::{compact, entries, hard, open, segment, small};
use super::model::Model;
use crate::fault_disk::{FaultDisk, Random};

/// A log of two segments, synced, and what it holds. `settle` says whether it was ended in order.
fn sample(settle: bool) -> (FaultDisk, Model) {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    let mut model = Model::default();
    let mut write = |writes: &[storage::wal::Write]| {
        for write in writes {
            model.apply(write);
        }
        wal.append(writes).unwrap();
        wal.sync().unwrap();
    };
    let mut first = entries(1, 1, 3, 1, 40);
    first.hard_state = Some(hard(1, 1, 1));
    write(&[first, entries(2, 1, 1, 1, 0)]);
    write(&[entries(2, 2, 3, 1, 30_000)]);
    write(&[entries(2, 4, 4, 1, 2_000), compact(2, 3, 1)]);
    write(&[entries(1, 4, 6, 2, 50), entries(3, 1, 2, 1, 33)]);
    write(&[entries(1, 5, 5, 3, 20)]);
    if settle {
        wal.settle().unwrap();
    }
    (disk, model)
}

/// Every bit of every batch is vouched for once the log was settled: a flip is refused, unless it
/// hits bytes that mean nothing, and then nothing is missing.
#[test]
fn any_flipped_bit_of_a_settled_log_is_refused_or_harmless() {
    let (disk, model) = sample(true);
    let mut refused = 0;
    for number in [1, 2] {
        let good = disk.contents(&segment(number));
        let used = good.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 16;
        for at in (0..used).filter(|at| *at < 6000 || at % 97 == 0 || at + 400 > used) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            disk.overwrite(&segment(number), &bad);
            match open(&disk, small()) {
                Err(Error::Corrupt { path, .. }) => {
                    assert_eq!(path, segment(number));
                    refused += 1;
                }
                Err(error) => panic!("byte {at} of segment {number}: {error}"),
                Ok((wal, _)) => model
                    .matches(&wal)
                    .unwrap_or_else(|reason| panic!("byte {at} of segment {number}: {reason}")),
            }
            disk.overwrite(&segment(number), &good);
        }
    }
    assert!(refused > 1500, "only {refused} flips were refused");
}

#[test]
fn the_refusal_says_where_and_what_to_do() {
    let (disk, _) = sample(false);
    let mut bad = disk.contents(&segment(1));
    bad[4096 + 60] ^= 4;
    disk.overwrite(&segment(1), &bad);
    let error = open(&disk, small()).unwrap_err().to_string();
    assert!(error.contains("/log/00000001.log at byte 4096: batch 1 is not there or damaged"));
    assert!(error.contains("let the node join again as a new member"), "{error}");
    // And it touched nothing.
    assert_eq!(disk.contents(&segment(1)), bad);
}

/// A mark of a later batch is what tells damage from a torn tail.
#[test]
fn damage_in_the_last_segment_is_told_from_a_torn_tail() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(1, 1, 1, 1, 600)]).unwrap();
    wal.sync().unwrap();
    wal.append(&[entries(1, 2, 2, 1, 600)]).unwrap();
    wal.append(&[entries(1, 3, 3, 1, 600)]).unwrap();
    drop(wal);
    disk.kill_process();
    let good = disk.contents(&segment(1));
    let batches: Vec<usize> =
        good.windows(4).enumerate().filter(|(_, at)| at == b"HBAT").map(|(at, _)| at).collect();
    assert_eq!(batches.len(), 3);
    let broken = |batch: usize| {
        let mut bad = good.clone();
        bad[batches[batch] + 300] ^= 1;
        disk.overwrite(&segment(1), &bad);
        open(&disk, small()).map(|(_, held)| held.get(&RegionId(1)).map(|log| log.last))
    };
    // Batch 1 was synced before batch 2 was written, and batch 2 says so.
    assert!(matches!(broken(0), Err(Error::Corrupt { offset: 4096, .. })));
    // Batch 3 is whole, but nobody ever promised batch 2: both go.
    assert_eq!(broken(1).unwrap(), Some(Index(1)));
    assert_eq!(broken(2).unwrap(), Some(Index(2)));
}

#[test]
fn missing_and_foreign_files_are_refused() {
    let (disk, model) = sample(true);
    let (first, second) = (disk.contents(&segment(1)), disk.contents(&segment(2)));
    let refuse = |files: &[(u32, &[u8])]| {
        let disk = FaultDisk::new(512);
        for (number, bytes) in files {
            disk.overwrite(&segment(*number), bytes);
        }
        open(&disk, small()).map(|(wal, _)| model.matches(&wal)).unwrap_err().to_string()
    };
    // The oldest one is gone: the entries in it are missed.
    assert!(refuse(&[(2, &second)]).contains("the log of region 1 is not whole"));
    assert!(refuse(&[(1, &first), (3, &second)]).contains("segment 2 is missing"));
    assert!(refuse(&[(1, &second)]).contains("its header says it is segment 2"));
    assert!(refuse(&[(1, &first[..50_000])]).contains("it has 50000 bytes where"));
    assert!(refuse(&[(1, &first), (2, &[])]).contains("too short for a segment header"));
    // Files that are none of the log's do not matter.
    disk.overwrite(std::path::Path::new("/log/notes.txt"), b"hello");
    disk.overwrite(std::path::Path::new("/log/0000000000000001.log"), b"hello");
    disk.overwrite(std::path::Path::new("/log/000000ff.spare"), b"hello");
    let (wal, _) = open(&disk, small()).unwrap();
    model.matches(&wal).unwrap();
}

/// Entries are checked again whenever they are read.
#[test]
fn damage_after_the_start_is_found_by_the_reader() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    wal.append(&[entries(1, 1, 3, 1, 600)]).unwrap();
    wal.sync().unwrap();
    let good = disk.contents(&segment(1));
    let read = |at: usize, to: u8| {
        let mut bad = good.clone();
        bad[at] = to;
        disk.overwrite(&segment(1), &bad);
        wal.reader().entries(RegionId(1), Index(1), Index(4), u64::MAX)
    };
    let item = 4096 + 48;
    for (at, byte) in good.iter().enumerate().skip(item).take(32 + 3 * 20 + 3 * 600) {
        match read(at, !byte) {
            Err(Error::Corrupt { .. }) => {}
            Err(error) => panic!("byte {at}: {error}"),
            // Reserved bytes.
            Ok(found) => assert_eq!(found, entries(1, 1, 3, 1, 600).entries, "byte {at}"),
        }
    }
}

/// Nonsense at random places, in files that were good: an answer, never a panic.
#[test]
fn opening_garbage_is_always_an_answer() {
    let (disk, _) = sample(true);
    let files = [disk.contents(&segment(1)), disk.contents(&segment(2))];
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let disk = FaultDisk::new(512);
        for (number, good) in (1..).zip(&files) {
            let mut bad = good.clone();
            for _ in 0..=random.below(5) {
                let at = usize::try_from(random.below(bad.len() as u64)).unwrap();
                let len = usize::try_from(random.below(3000)).unwrap().min(bad.len() - at);
                bad[at..at + len].fill_with(|| u8::try_from(random.below(256)).unwrap());
            }
            if random.chance(20) {
                bad.truncate(usize::try_from(random.below(bad.len() as u64)).unwrap());
            }
            disk.overwrite(&segment(number), &bad);
        }
        if let Ok((wal, _)) = open(&disk, small()) {
            drop(wal);
        }
    }
}
