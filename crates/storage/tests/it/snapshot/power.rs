//! The power goes at every single operation of the receiver's disk.

use std::path::Path;
use std::sync::Arc;

use env::Disk as _;
use storage::snapshot::{SnapshotFile, SnapshotWriter, clean};

use super::bed::{all, source};
use crate::fault_disk::{FaultDisk, Random};

#[test]
fn a_file_under_its_final_name_is_whole_and_one_that_was_promised_is_there() {
    let directory = Path::new("/snapshots");
    let path = directory.join("s.snapshot");
    let stream = all(&source(20, |number| vec![number as u8; 500]), 4096);
    let mut promised = 0;
    for seed in 0..40 {
        for cut in 0..14 {
            let disk = FaultDisk::new(512);
            // An older file of the same name is there; it must not be taken for the new one's part.
            let old = all(&source(2, |_| vec![1; 10]), 4096).concat();
            disk.overwrite(&path, &old);
            disk.cut_power_in(cut);
            let shared = Arc::new(disk.clone());
            let receive = || {
                let mut writer = SnapshotWriter::create(shared.clone(), directory, "s")?;
                for chunk in &stream {
                    writer.accept(chunk)?;
                }
                writer.finish()
            };
            let done = receive().is_ok();
            disk.restart(&mut Random::new(seed));
            let file =
                SnapshotFile::open(shared.clone(), &path).expect("the old or the new file, whole");
            let records = file.totals().records;
            assert!(records == 20 || (records == 2 && !done), "seed {seed} cut {cut}: {records}");
            clean(&disk, directory, &[]).unwrap();
            assert!(disk.list(directory).unwrap().is_empty());
            promised += u32::from(done);
        }
    }
    assert!(promised > 40, "the cuts came too early to test anything: {promised}");
}
