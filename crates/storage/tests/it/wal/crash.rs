//! Crashes at every kind of moment: what was synced is there, nothing is invented, and what is there
//! is exactly what some earlier moment held.

use storage::wal::{Error, Wal, WalConfig};

use super::bed::{open, small};
use super::model::Model;
use crate::fault_disk::{FaultDisk, Random};

/// What the log held after each append since the last certain moment.
struct History {
    /// `moments[0]` is durable for sure.
    moments: Vec<Model>,
}

impl History {
    fn now(&self) -> Model {
        self.moments.last().cloned().unwrap_or_default()
    }

    fn synced(&mut self) {
        self.moments = vec![self.now()];
    }

    /// Finds the moment `wal` came back to, and says how many after it were lost; that it is at
    /// none of them is what these tests are about.
    fn find(&mut self, wal: &Wal, what: &str) -> usize {
        let mut reasons = Vec::new();
        for (lost, moment) in self.moments.iter().rev().enumerate() {
            match moment.matches(wal) {
                Ok(()) => {
                    // What open answers is durable.
                    self.moments = vec![moment.clone()];
                    return lost;
                }
                Err(reason) => reasons.push(reason),
            }
        }
        panic!("{what}: the log is at none of {} moments: {reasons:#?}", self.moments.len());
    }
}

/// What a run met, to be sure that it met something.
#[derive(Default, Debug)]
struct Met {
    lost: usize,
    segments: usize,
    moved_bytes: u64,
}

/// Writes for a while, or until the power goes.
fn work(
    wal: &mut Wal,
    history: &mut History,
    random: &mut Random,
    met: &mut Met,
) -> Result<(), Error> {
    for _ in 0..150 {
        match random.below(20) {
            0..12 => {
                let mut next = history.now();
                let writes = next.draw(random);
                // It may be there even if the call fails.
                history.moments.push(next);
                wal.append(&writes)?;
            }
            12..17 => {
                wal.sync()?;
                history.synced();
            }
            17..19 => {
                let done = wal.reclaim()?;
                met.segments += done.segments;
                met.moved_bytes += done.moved_bytes;
            }
            _ if random.chance(10) => {
                wal.settle()?;
                history.synced();
            }
            _ => {}
        }
    }
    Ok(())
}

fn config(random: &mut Random) -> WalConfig {
    WalConfig {
        recycled_segments: usize::try_from(random.below(4)).unwrap(),
        reclaim_step_bytes: 500 + random.below(20_000),
        reclaim_bytes: 100_000 + random.below(100_000),
        ..small()
    }
}

/// One disk, many lives.
fn run(seed: u64, lives: u64, met: &mut Met) {
    let mut random = Random::new(seed);
    let disk = FaultDisk::new(if seed.is_multiple_of(4) { 4096 } else { 512 });
    let mut history = History { moments: vec![Model::default()] };
    for life in 0..lives {
        let what = format!("seed {seed}, life {life}");
        if random.chance(70) {
            disk.cut_power_in(random.below(400));
        }
        let mut opened = open(&disk, config(&mut random));
        if opened.is_err() && disk.power_is_off() {
            // The power went while it was opening: that is a crash as any other.
            if random.chance(50) {
                disk.kill_process();
            } else {
                disk.restart(&mut random);
            }
            opened = open(&disk, config(&mut random));
        }
        let (mut wal, _) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        met.lost += usize::from(history.find(&wal, &what) > 0);
        let fail_sync = random.chance(5);
        if fail_sync {
            disk.fail_syncs(1);
        }
        let result = work(&mut wal, &mut history, &mut random, met);
        if let Err(error) = result {
            assert!(disk.power_is_off() || fail_sync, "{what}: {error}");
            assert!(matches!(wal.sync(), Err(Error::Latched)), "{what}: latched");
        } else {
            history.now().matches(&wal).unwrap_or_else(|reason| panic!("{what}: {reason}"));
        }
        drop(wal);
        // The process may die alone, in the middle of anything; the cache then outlives it.
        if random.chance(25) {
            disk.kill_process();
        } else {
            disk.restart(&mut random);
        }
    }
}

#[test]
fn every_crash_comes_back_to_a_moment_no_older_than_the_last_sync() {
    let mut met = Met::default();
    for seed in 0..150 {
        run(seed, 12, &mut met);
    }
    assert!(met.lost > 300 && met.segments > 300 && met.moved_bytes > 100_000, "{met:?}");
}

/// After a failed sync the page cache shows what the disk does not have. A process that starts again
/// on the same machine sees good data, acknowledges it, and must not lose it at the next power cut.
#[test]
fn what_a_failed_sync_left_in_the_cache_is_written_again() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let disk = FaultDisk::new(512);
        let mut history = History { moments: vec![Model::default()] };
        let (mut wal, _) = open(&disk, small()).unwrap();
        for _ in 0..5 {
            let mut next = history.now();
            let writes = next.draw(&mut random);
            history.moments.push(next);
            wal.append(&writes).unwrap();
        }
        disk.fail_syncs(1);
        assert!(matches!(wal.sync(), Err(Error::Io { .. })));
        assert!(matches!(wal.append(&[]), Err(Error::Latched)));
        assert!(matches!(wal.settle(), Err(Error::Latched)));
        assert!(matches!(wal.reclaim(), Err(Error::Latched)));
        drop(wal);
        disk.kill_process();

        let (wal, _) = open(&disk, small()).unwrap();
        history.find(&wal, "after the failed sync");
        drop(wal);
        disk.restart(&mut random);
        let (wal, _) = open(&disk, small()).unwrap();
        history.find(&wal, "after the power cut");
    }
}

#[test]
fn a_full_disk_latches_and_what_was_synced_comes_back() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let disk = FaultDisk::new(512);
        let mut history = History { moments: vec![Model::default()] };
        let (mut wal, _) = open(&disk, small()).unwrap();
        disk.set_free_bytes(random.below(200_000));
        let error = loop {
            if let Err(error) = work(&mut wal, &mut history, &mut random, &mut Met::default()) {
                break error;
            }
        };
        assert!(matches!(error, Error::Reserve { .. }), "{error}");
        assert!(error.to_string().contains("free space on this disk"), "{error}");
        assert!(matches!(wal.sync(), Err(Error::Latched)));
        drop(wal);
        disk.restart(&mut random);
        let (wal, _) = open(&disk, small()).unwrap();
        history.find(&wal, "after the disk was full");
    }
}

/// The first start is the one with the most names to lose.
#[test]
fn the_first_start_may_be_interrupted_anywhere() {
    for seed in 0..20 {
        for operations in 0..20 {
            for killed in [false, true] {
                let mut random = Random::new(seed);
                let disk = FaultDisk::new(512);
                disk.cut_power_in(operations);
                drop(open(&disk, small()));
                if killed {
                    disk.kill_process();
                } else {
                    disk.restart(&mut random);
                }
                let (mut wal, _) = open(&disk, small()).unwrap();
                let mut model = Model::default();
                wal.append(&model.draw(&mut random)).unwrap();
                wal.sync().unwrap();
                drop(wal);
                disk.restart(&mut random);
                let (wal, _) = open(&disk, small()).unwrap();
                model.matches(&wal).unwrap();
            }
        }
    }
}
