//! What every engine promises, case by case.

use bytes::Bytes;
use storage::engine::{Engine, Error, KEY_BYTES_MAX, Snapshot};
use types::{Batch, Reader as _};

use super::bed::{Bed, Disk, Memory, Resident, records};

fn run<B: Bed>(bed: impl Fn() -> B) {
    empty_engine(&bed());
    later_change_of_a_key_wins(&bed());
    scan_is_ordered_half_open_and_stops(&bed());
    snapshot_is_frozen(&bed());
    snapshot_survives_clear_range(&bed());
    scan_may_write(&bed());
    lengths_are_checked_before_anything_is_written(&bed());
    clear_range_clears_the_range_only(&bed());
    batches_are_seen_whole(&bed());
    large_values(&bed());
    durable_shows_what_was_persisted(&bed());
}

#[test]
fn memory_conforms() {
    run(|| Memory);
}

#[test]
fn disk_conforms() {
    run(Disk::new);
}

#[test]
fn resident_records_conform() {
    run(Resident::new);
}

fn put(engine: &dyn Engine, key: impl Into<Bytes>, value: impl Into<Bytes>) {
    let mut batch = Batch::default();
    batch.put(key, value);
    engine.write(batch).unwrap();
}

fn empty_engine(bed: &impl Bed) {
    let engine = bed.open();
    assert_eq!(engine.get(b"a").unwrap(), None);
    assert!(records(&engine, b"", b"\xff").is_empty());
    assert!(engine.snapshot().get(b"a").unwrap().is_none());
    engine.write(Batch::default()).unwrap();
    engine.clear_range(b"", b"\xff").unwrap();
    engine.persist().unwrap();
}

fn later_change_of_a_key_wins(bed: &impl Bed) {
    let engine = bed.open();
    let mut batch = Batch::default();
    batch.put("stays", "1");
    batch.delete("stays");
    batch.put("stays", "2");
    batch.put("goes", "1");
    batch.delete("goes");
    batch.put("empty", "");
    engine.write(batch).unwrap();
    let check = |engine: &dyn Engine| {
        let expected: Vec<(Bytes, Bytes)> =
            vec![("empty".into(), "".into()), ("stays".into(), "2".into())];
        assert_eq!(records(engine, b"", b"\xff"), expected);
        assert_eq!(engine.get(b"goes").unwrap(), None);
        assert_eq!(engine.get(b"stays").unwrap().unwrap(), "2");
    };
    check(&engine);
    engine.persist().unwrap();
    drop(engine);
    if keeps(bed) {
        check(&bed.open());
    }
}

fn keeps<B: Bed>(_: &B) -> bool {
    B::KEEPS
}

fn scan_is_ordered_half_open_and_stops(bed: &impl Bed) {
    let engine = bed.open();
    for key in ["b", "a", "d", "c", "ba"] {
        put(&engine, key, key);
    }
    let keys = |start: &str, end: &str| -> Vec<Bytes> {
        let all = records(&engine, start.as_bytes(), end.as_bytes());
        all.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("a", "d"), ["a", "b", "ba", "c"]);
    assert_eq!(keys("b\0", "d\0"), ["ba", "c", "d"]);
    assert!(keys("c", "b").is_empty());
    assert!(keys("b", "b").is_empty());
    let mut seen = Vec::new();
    engine
        .scan(b"a", b"z", &mut |key, _| {
            seen.push(key);
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen, ["a", "b"]);
}

fn snapshot_is_frozen(bed: &impl Bed) {
    let engine = bed.open();
    put(&engine, "a", "1");
    put(&engine, "b", "1");
    let before = engine.snapshot();
    put(&engine, "a", "2");
    put(&engine, "c", "2");
    let mut batch = Batch::default();
    batch.delete("b");
    engine.write(batch).unwrap();
    let after = engine.snapshot();
    let expected: Vec<(Bytes, Bytes)> = vec![("a".into(), "1".into()), ("b".into(), "1".into())];
    assert_eq!(records(&*before, b"", b"\xff"), expected);
    assert_eq!(before.get(b"c").unwrap(), None);
    assert_eq!(before.get(b"b").unwrap().unwrap(), "1");
    let expected: Vec<(Bytes, Bytes)> = vec![("a".into(), "2".into()), ("c".into(), "2".into())];
    assert_eq!(records(&*after, b"", b"\xff"), expected);
}

fn snapshot_survives_clear_range(bed: &impl Bed) {
    let engine = bed.open();
    for at in 0..3_000_u32 {
        put(&engine, at.to_be_bytes().to_vec(), vec![7; 20]);
    }
    let before = engine.snapshot();
    engine.clear_range(b"", b"\xff\xff\xff\xff\xff").unwrap();
    assert!(records(&engine, b"", b"\xff\xff\xff\xff\xff").is_empty());
    assert_eq!(records(&*before, b"", b"\xff\xff\xff\xff\xff").len(), 3_000);
}

fn scan_may_write(bed: &impl Bed) {
    let engine = bed.open();
    for at in 0..200_u8 {
        put(&engine, vec![at], vec![at]);
    }
    let mut seen = 0;
    engine
        .scan(b"", b"\xff", &mut |key, _| {
            let mut batch = Batch::default();
            batch.delete(key.clone());
            batch.put([b"\xf0".as_ref(), key.as_ref()].concat(), "new");
            engine.write(batch).unwrap();
            seen += 1;
            true
        })
        .unwrap();
    assert_eq!(seen, 200);
    assert_eq!(records(&engine, b"", b"\xff").len(), 200);
}

fn lengths_are_checked_before_anything_is_written(bed: &impl Bed) {
    let engine = bed.open();
    let refused = |key: Vec<u8>| {
        let mut batch = Batch::default();
        batch.put("first", "1");
        batch.put(key, "2");
        assert!(matches!(engine.write(batch), Err(Error::KeyLength { .. })));
    };
    refused(Vec::new());
    refused(vec![1; KEY_BYTES_MAX + 1]);
    assert_eq!(engine.get(b"first").unwrap(), None);
    put(&engine, vec![1; KEY_BYTES_MAX], "longest");
    assert_eq!(engine.get(&[1; KEY_BYTES_MAX]).unwrap().unwrap(), "longest");
    assert_eq!(engine.get(&[1; KEY_BYTES_MAX + 1]).unwrap(), None);
    assert_eq!(engine.get(b"").unwrap(), None);
    let longest = vec![1; KEY_BYTES_MAX];
    let longer = vec![1; KEY_BYTES_MAX + 1];
    assert_eq!(records(&engine, &longest, &longer).len(), 1);
    assert_eq!(records(&engine, b"\x01", &longest).len(), 0);
    assert_eq!(records(&engine, &longer, b"\xff").len(), 0);
    assert_eq!(records(&engine, &longer, &[1; KEY_BYTES_MAX + 2]).len(), 0);
    engine.clear_range(&longest, &longer).unwrap();
    assert_eq!(engine.get(&longest).unwrap(), None);
    assert!(!engine.stats().latched);
}

fn clear_range_clears_the_range_only(bed: &impl Bed) {
    let engine = bed.open();
    let mut batch = Batch::default();
    for region in 1..=3_u64 {
        for at in 0..2_500_u32 {
            batch.put([&region.to_be_bytes()[..], &at.to_be_bytes()[..]].concat(), "v");
        }
    }
    engine.write(batch).unwrap();
    engine.clear_range(&2_u64.to_be_bytes(), &3_u64.to_be_bytes()).unwrap();
    let count =
        |region: u64| records(&engine, &region.to_be_bytes(), &(region + 1).to_be_bytes()).len();
    assert_eq!((count(1), count(2), count(3)), (2_500, 0, 2_500));
    engine.clear_range(&3_u64.to_be_bytes(), &1_u64.to_be_bytes()).unwrap();
    assert_eq!((count(1), count(3)), (2_500, 2_500));
}

/// Readers run beside a writer that always writes the same number under many keys.
fn batches_are_seen_whole(bed: &impl Bed) {
    let engine = bed.open();
    let write = |number: u64| {
        let mut batch = Batch::default();
        for key in 0..50_u8 {
            batch.put(vec![key], number.to_be_bytes().to_vec());
        }
        engine.write(batch).unwrap();
    };
    write(0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while last < 500 {
                let all = records(&engine, b"", b"\xff");
                let number = all[0].1.clone();
                assert_eq!(all.len(), 50);
                assert!(all.iter().all(|(_, value)| *value == number), "a torn batch: {all:?}");
                let view = engine.snapshot();
                assert_eq!(view.get(&[0]).unwrap(), view.get(&[49]).unwrap());
                last = u64::from_be_bytes(number.as_ref().try_into().unwrap());
            }
        });
        for number in 1..=500 {
            write(number);
        }
        reader.join().unwrap();
    });
}

fn large_values(bed: &impl Bed) {
    let engine = bed.open();
    for at in 0..20_u8 {
        put(&engine, vec![at], vec![at; 1_500_000]);
    }
    let view = engine.snapshot();
    for at in 0..20_u8 {
        assert_eq!(view.get(&[at]).unwrap().unwrap(), vec![at; 1_500_000]);
    }
    assert_eq!(records(&*view, &[3], &[6]).len(), 3);
}

fn durable_shows_what_was_persisted(bed: &impl Bed) {
    let engine = bed.open();
    put(&engine, "a", "1");
    engine.persist().unwrap();
    put(&engine, "a", "2");
    let first = engine.durable();
    engine.flush_soon();
    let is_new = |view: &dyn Snapshot| view.get(b"a").unwrap().unwrap() == "2";
    while !is_new(&*engine.durable()) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(!keeps(bed) || !is_new(&*first), "what is only in memory is not durable");
    assert_eq!(engine.get(b"a").unwrap().unwrap(), "2");
}
