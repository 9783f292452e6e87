//! Names of segments that are lost: a log that ends earlier than it did is never taken for all there was.

use storage::wal::Error;

use super::bed::{entries, open, segment, small};
use crate::fault_disk::{FaultDisk, Random};

/// A log of `count` segments, each begun and synced.
fn of_segments(disk: &FaultDisk, count: u32) {
    let (mut wal, _) = open(disk, small()).unwrap();
    let mut next = 1;
    while disk.contents(&segment(count)).is_empty() {
        wal.append(&[entries(1, next, next, 1, 20_000)]).unwrap();
        wal.sync().unwrap();
        next += 1;
    }
}

fn refusal(disk: &FaultDisk) -> String {
    let error = open(disk, small()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    error.to_string()
}

#[test]
fn any_segment_whose_name_is_lost_is_missed() {
    for lost in 1..=3 {
        let disk = FaultDisk::new(512);
        of_segments(&disk, 3);
        disk.kill_process();
        disk.lose_name(&segment(lost));
        let said = refusal(&disk);
        let names_it = said.contains(&format!("segment {lost} is missing"));
        assert!(names_it || lost == 1 && said.contains("is not whole"), "{said}");
        // And with the name it is whole.
        disk.be_honest();
        open(&disk, small()).unwrap();
    }
}

/// A crash right after a segment got its name, before the one ahead of it says so: the next start says it.
#[test]
fn a_start_makes_up_for_a_word_that_a_crash_prevented() {
    let mut refused = 0;
    for operations in 0..12 {
        let disk = FaultDisk::new(512);
        of_segments(&disk, 2);
        disk.restart(&mut Random::new(1));
        let (mut wal, held) = open(&disk, small()).unwrap();
        let next = held.values().next().unwrap().last.get() + 1;
        // This one needs a third segment.
        disk.cut_power_in(operations);
        let cut = wal.append(&[entries(1, next, next, 1, 50_000)]).is_err();
        disk.restart(&mut Random::new(operations));
        drop(wal);
        open(&disk, small()).unwrap();
        disk.kill_process();
        if cut && !disk.contents(&segment(3)).is_empty() {
            disk.lose_name(&segment(3));
            assert!(refusal(&disk).contains("segment 3 is missing"));
            refused += 1;
        }
    }
    assert!(refused > 0, "no crash came between");
}

#[test]
fn spares_without_a_segment_are_no_new_log() {
    let disk = FaultDisk::new(512);
    disk.overwrite(std::path::Path::new("/log/00000004.spare"), &[0; 70_000]);
    assert!(refusal(&disk).contains("no segment is there, and /log/00000004.spare was one"));
    // What a crash leaves of the first start of all is nothing.
    let disk = FaultDisk::new(512);
    disk.overwrite(std::path::Path::new("/log/00000001.spare"), &[0; 70_000]);
    open(&disk, small()).unwrap();
}
