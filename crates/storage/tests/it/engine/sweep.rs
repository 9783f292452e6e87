//! What nobody reads any more goes from the tables for good, and nothing else does: beside a model,
//! under pinned views, and in crashes at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use storage::engine::{DiskEngine, DiskOptions, Engine, Error, MemoryEngine};
use types::{Batch, Garbage, Reader as _};

use super::bed::{Disk, Random, records};
use super::fault::copy;

/// Keys of three regions, each with a family of versions and one other record.
fn key(region: u8, number: u32) -> Bytes {
    [&[region, b'v'][..], &number.to_be_bytes()].concat().into()
}

fn rest(region: u8) -> Bytes {
    vec![region, b'a'].into()
}

fn options() -> DiskOptions {
    let family = |key: &[u8]| (key.get(1) == Some(&b'v')).then_some(2);
    DiskOptions { memory_bytes: 8 << 20, family, ..DiskOptions::default() }
}

#[derive(Clone, Default)]
struct Dead(BTreeSet<Bytes>);

impl Garbage for Dead {
    fn holds(&self, key: &[u8]) -> bool {
        self.0.contains(key)
    }

    fn next(&self, from: &[u8]) -> Option<Bytes> {
        self.0
            .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded))
            .next()
            .cloned()
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

type Model = BTreeMap<Bytes, Bytes>;

/// Writes versions `from..to` of a region, in batches with a record that changes each time.
fn versions(engine: &dyn Engine, model: &mut Model, region: u8, (from, to): (u32, u32)) {
    let mut random = Random(u64::from(from) + u64::from(region));
    let numbers: Vec<u32> = (from..to).collect();
    for some in numbers.chunks(64) {
        let mut batch = Batch::default();
        for number in some {
            let value: Vec<u8> = (0..25).flat_map(|_| random.next().to_be_bytes()).collect();
            model.insert(key(region, *number), value.clone().into());
            batch.put(key(region, *number), value);
        }
        let last = Bytes::from(some[0].to_be_bytes().to_vec());
        model.insert(rest(region), last.clone());
        batch.put(rest(region), last);
        engine.write(batch).unwrap();
    }
}

/// Sweeps up to version `to`: of those `lives` says which stay.
fn sweep(engine: &dyn Engine, model: &mut Model, region: u8, to: u32, lives: impl Fn(u32) -> bool) {
    let dead = (0..to).filter(|number| !lives(*number)).map(|number| key(region, number));
    let dead = Dead(dead.filter(|key| model.contains_key(key)).collect());
    model.retain(|key, _| !dead.holds(key));
    assert!(engine.sweep(&key(region, 0), &key(region, to), &dead).unwrap());
}

fn is(engine: &dyn Engine, model: &Model) {
    let found = records(engine, b"", b"\xff");
    assert_eq!(found.len(), model.len());
    assert!(found.iter().eq(
        model.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>().iter()
    ));
    for (key, value) in model.iter().step_by(97) {
        assert_eq!(engine.get(key).unwrap().as_ref(), Some(value));
    }
}

/// Long rows, short rows of two regions that overlap, removals, what is written anew after them.
fn live_through(engine: &dyn Engine) {
    let mut model = Model::default();
    let mut views = Vec::new();
    for round in 0..6_u32 {
        let (from, to) = (round * 20_000, (round + 1) * 20_000);
        versions(engine, &mut model, 2, (from, to));
        for some in 0..4 {
            for region in [1, 3] {
                let from = round * 4_000 + some * 1_000;
                versions(engine, &mut model, region, (from, from + 1_000));
            }
            engine.persist().unwrap();
        }
        views.push((engine.snapshot(), model.clone()));
        sweep(engine, &mut model, 2, to - 5_000, |number| {
            number % 10 == round % 10 || number % 100 == 0
        });
        is(engine, &model);
        if round % 2 == 1 {
            sweep(engine, &mut model, 3, round * 4_000, |number| number % 7 == 0);
            is(engine, &model);
        }
        if round == 3 {
            // As the installation of a snapshot does.
            engine.clear_range(&[1], &[2]).unwrap();
            model.retain(|key, _| key[0] != 1);
            engine.persist().unwrap();
            versions(engine, &mut model, 1, (8_000, 14_000));
            engine.persist().unwrap();
            sweep(engine, &mut model, 1, 14_000, |number| number % 2 == 0);
            is(engine, &model);
        }
    }
    for (view, model) in views {
        assert!(records(&*view, b"", b"\xff").into_iter().eq(model));
    }
}

#[test]
fn what_is_dead_goes_and_nothing_else() {
    live_through(&MemoryEngine::new());
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), options()).unwrap();
    live_through(&engine);
    engine.persist().unwrap();
    let all = records(&engine, b"", b"\xff");
    drop(engine);
    let engine = DiskEngine::open(disk.path(), options()).unwrap();
    assert_eq!(records(&engine, b"", b"\xff"), all);
}

#[test]
fn what_is_swept_gives_back_its_room() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), options()).unwrap();
    let mut model = Model::default();
    for round in 0..10 {
        versions(&engine, &mut model, 2, (round * 20_000, (round + 1) * 20_000));
        engine.persist().unwrap();
        sweep(&engine, &mut model, 2, (round + 1) * 20_000, |number| number % 50 == 0);
        is(&engine, &model);
    }
    let kept: usize = model.iter().map(|(key, value)| key.len() + value.len()).sum();
    let files = || {
        let mut files = super::fault::files(disk.path());
        files.retain(|file| file.parent().unwrap().ends_with("tables"));
        files.len() as u64
    };
    // The other tree may be merging still.
    let settled = (0..200).find_map(|_| {
        let stats = engine.stats();
        if files() == stats.tables {
            return Some(stats);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        None
    });
    let stats = settled.expect("files stay that no table is in");
    assert!(stats.disk_bytes < 2 * kept as u64, "{stats:?}, {kept} bytes kept");
    // What lives long comes together: no table for each sweep.
    assert!(stats.tables < 12, "{stats:?}");
}

/// Dead records that a crash leaves have higher keys than those it takes, and no other is gone.
#[test]
fn a_directory_copied_while_it_is_swept_has_all_that_lives() {
    let disk = Disk::new();
    let engine = Arc::new(DiskEngine::open(disk.path(), options()).unwrap());
    let mut model = Model::default();
    versions(&*engine, &mut model, 2, (0, 60_000));
    engine.persist().unwrap();
    let before = model.clone();
    let done = Arc::new(AtomicBool::new(false));
    let sweeper = std::thread::spawn({
        let (engine, done, mut model) = (engine.clone(), done.clone(), model.clone());
        move || {
            for divisor in [2_u32, 6, 30] {
                sweep(&*engine, &mut model, 2, 60_000, |number| number % divisor == 0);
            }
            done.store(true, Ordering::SeqCst);
            model
        }
    });
    // Those between two steps, and some of the others.
    const EACH: usize = 16;
    let (mut kept, mut others) = (Vec::new(), 0_usize);
    let mut last = false;
    while !last {
        last = done.load(Ordering::SeqCst);
        let torn = Disk::new();
        let Some(pending) = copy(disk.path(), torn.path()) else { continue };
        others += usize::from(!pending);
        let room = kept.iter().filter(|(it, _)| *it == pending).count() < EACH;
        if room && (pending || others.is_multiple_of(40)) {
            kept.push((pending, torn));
        }
    }
    let (mut between, mut partial) = (0, 0);
    for (pending, torn) in kept {
        between += u32::from(pending);
        let copied = DiskEngine::open(torn.path(), options()).unwrap();
        assert!(!torn.path().join("pending").exists());
        let found: Model = records(&copied, b"", b"\xff").into_iter().collect();
        assert!(found.iter().all(|(key, value)| before.get(key) == Some(value)));
        let numbers: BTreeSet<u32> = found
            .keys()
            .filter(|key| key[1] == b'v')
            .map(|key| u32::from_be_bytes(key[2..].try_into().unwrap()))
            .collect();
        // Each sweep so far left the multiples of its divisor; the one under way has come to some key.
        let lives = |divisor: u32, number: u32| number.is_multiple_of(divisor);
        let from = [1, 2, 6, 30].into_iter().find(|divisor| {
            let left = (0..60_000).filter(|number| lives(*divisor, *number));
            left.eq(numbers.iter().copied())
        });
        if from.is_none() {
            partial += 1;
            let halfway = [(1, 2), (2, 6), (6, 30)].into_iter().any(|(before, after)| {
                let gone = |number: &u32| lives(before, *number) && !numbers.contains(number);
                let Some(reached) = (0..60_000).rev().find(gone) else { return false };
                let left = (0..60_000).filter(|number| {
                    lives(if *number <= reached { after } else { before }, *number)
                });
                left.eq(numbers.iter().copied())
            });
            assert!(halfway, "what lives is gone, or what is dead was passed over");
        }
    }
    let model = sweeper.join().unwrap();
    is(&*engine, &model);
    println!("{between} copies between two steps, {partial} in the middle of a sweep");
}

/// Garbage that nobody wants removed any more after some questions.
struct Until(Dead, AtomicU32);

impl Garbage for Until {
    fn holds(&self, key: &[u8]) -> bool {
        self.0.holds(key)
    }

    fn next(&self, from: &[u8]) -> Option<Bytes> {
        self.0.next(from)
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn is_wanted(&self) -> bool {
        self.1.fetch_sub(1, Ordering::SeqCst) > 1
    }
}

#[test]
fn a_sweep_that_is_cut_short_can_be_done_again() {
    for engine in [true, false] {
        let disk = Disk::new();
        let engine: Box<dyn Engine> = match engine {
            true => Box::new(DiskEngine::open(disk.path(), options()).unwrap()),
            false => Box::new(MemoryEngine::new()),
        };
        let mut model = Model::default();
        versions(&*engine, &mut model, 2, (0, 30_000));
        engine.persist().unwrap();
        let dead = Dead((0..20_000).map(|number| key(2, number)).collect());
        let cut = Until(dead, AtomicU32::new(3));
        assert!(!engine.sweep(&key(2, 0), &key(2, 30_000), &cut).unwrap());
        let left = records(&*engine, b"", b"\xff");
        assert!(left.len() > 10_001, "nothing is left to be done");
        let lives = left.iter().filter(|(key, _)| !cut.holds(key));
        assert_eq!(lives.count(), 10_001);
        sweep(&*engine, &mut model, 2, 20_000, |_| false);
        is(&*engine, &model);
    }
}

/// Dropping tables and naming what is left of them is one step also where the second half fails.
#[test]
fn a_sweep_that_fails_half_way_loses_nothing() {
    let disk = Disk::new();
    let engine = DiskEngine::open(disk.path(), options()).unwrap();
    let mut model = Model::default();
    versions(&engine, &mut model, 2, (0, 30_000));
    engine.persist().unwrap();
    let version = || {
        let names = fs::read_dir(disk.path().join("runs")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_prefix('v')?.parse::<u64>().ok()).max().unwrap()
    };
    // The second version from now cannot be written.
    let blocked = disk.path().join(format!("runs/v{}", version() + 2));
    fs::create_dir(&blocked).unwrap();
    let dead = Dead((0..20_000).map(|number| key(2, number)).collect());
    let error = engine.sweep(&key(2, 0), &key(2, 30_000), &dead).unwrap_err();
    assert!(matches!(error, Error::Latched(_)), "{error:?}");
    assert!(engine.get(&key(2, 25_000)).is_err());
    drop(engine);
    fs::remove_dir(&blocked).unwrap();
    let engine = DiskEngine::open(disk.path(), options()).unwrap();
    is(&engine, &model);
    sweep(&engine, &mut model, 2, 20_000, |_| false);
    is(&engine, &model);
}
