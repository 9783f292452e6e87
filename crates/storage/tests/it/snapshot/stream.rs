//! The stream of chunks and what it refuses.

use bytes::Bytes;
use proptest::prelude::*;
use storage::engine::{Engine as _, MemoryEngine};
use storage::snapshot::{Damage, Error, HEADER_BYTES_MAX, export};
use types::Batch;

use super::bed::{END, Folder, HEADER, START, all, chunks, key, source};

/// The drawing in `docs/format.md`, byte by byte.
#[test]
fn the_bytes_are_those_of_the_document() {
    let engine = MemoryEngine::new();
    let mut batch = Batch::default();
    batch.put("k1", "one");
    batch.put("k2", "");
    engine.write(batch).unwrap();
    let stream: Vec<Bytes> =
        export(engine.snapshot(), b"k", b"l", "head".into(), 0).map(Result::unwrap).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let checked = |body: &str| {
        let bytes: Vec<u8> = (0..body.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&body[at..at + 2], 16).unwrap())
            .collect();
        format!("{body}{}", hex(&crc32c::crc32c(&bytes).to_le_bytes()))
    };
    let header = "48534e50 01 01 0000 00000000 04000000 68656164".replace(' ', "");
    let records = "48534e50 01 02 0000 01000000 17000000 \
                   02000000 03000000 6b31 6f6e65 02000000 00000000 6b32"
        .replace(' ', "");
    let whole: Vec<u8> =
        [&stream[0][..stream[0].len() - 4], &stream[1][..stream[1].len() - 4]].concat();
    let overall = hex(&crc32c::crc32c(&whole).to_le_bytes());
    let trailer = format!(
        "48534e50 01 03 0000 02000000 18000000 \
         02000000 {overall} 0200000000000000 0700000000000000"
    )
    .replace(' ', "");
    let got: Vec<String> = stream.iter().map(|chunk| hex(chunk)).collect();
    assert_eq!(got, [checked(&header), checked(&records), checked(&trailer)]);
}

#[test]
fn only_the_range_is_sent_and_nothing_twice() {
    for count in [0, 1, 2, 999] {
        let engine = source(count, |number| vec![number as u8; (number % 700) as usize]);
        let mut stream = chunks(&engine, 4096);
        // The view is frozen: what is written meanwhile is not sent.
        let first = stream.next().unwrap().unwrap();
        let mut batch = Batch::default();
        batch.put(key(5_000_000), "late");
        engine.write(batch).unwrap();
        let mut sent = vec![first];
        sent.extend(stream.by_ref().map(Result::unwrap));
        assert_eq!(stream.totals().records, u64::from(count));
        assert!(stream.next().is_none());
        assert!(sent.iter().all(|chunk| chunk.len() <= 4096 + 20));
        let folder = Folder::new();
        let file = folder.receive("s", &sent).unwrap();
        assert_eq!(file.totals(), stream.totals());
        assert_eq!(file.header(), HEADER);
        assert_eq!(folder.open(file.path()).unwrap().totals(), stream.totals());
    }
}

#[test]
fn a_record_larger_than_a_chunk_travels_alone() {
    let engine = source(5, |number| if number == 2 { vec![1; 3_000_000] } else { vec![2; 100] });
    let lens: Vec<usize> = all(&engine, 4096).iter().map(Bytes::len).collect();
    assert_eq!(lens.len(), 5, "{lens:?}");
    assert!(lens[2] > 3_000_000 && lens[1] < 4096 && lens[3] < 4096);
    let folder = Folder::new();
    assert_eq!(folder.receive("s", &all(&engine, 4096)).unwrap().totals().records, 5);
}

#[test]
fn a_header_too_long_is_refused() {
    let engine = source(1, |_| vec![]);
    let header = Bytes::from(vec![0; HEADER_BYTES_MAX + 1]);
    let mut stream = export(engine.snapshot(), &START, &END, header, 4096);
    assert!(matches!(stream.next(), Some(Err(Error::HeaderTooLarge { .. }))));
    assert!(stream.next().is_none());
}

/// Feeds `stream` and answers the chunk that was refused and why.
fn refused(stream: &[Bytes]) -> Option<(u32, Damage)> {
    let folder = Folder::new();
    let mut writer = folder.writer("s");
    for chunk in stream {
        match writer.accept(chunk) {
            Ok(()) => {}
            Err(Error::Damaged { chunk, damage }) => return Some((chunk, damage)),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(matches!(writer.finish(), Ok(_) | Err(Error::Incomplete { .. })));
    None
}

#[test]
fn every_changed_byte_is_found_in_its_chunk() {
    let engine = source(20, |number| vec![number as u8; 500]);
    let good = all(&engine, 4096);
    assert_eq!(good.len(), 5);
    let folder = Folder::new();
    let mut writer = folder.writer("s");
    for (at, chunk) in good.iter().enumerate() {
        for byte in 0..chunk.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bad = chunk.to_vec();
                bad[byte] ^= mask;
                match writer.accept(&bad.into()) {
                    Err(Error::Damaged { chunk, .. }) => assert_eq!(chunk as usize, at),
                    other => panic!("chunk {at} byte {byte}: {other:?}"),
                }
            }
        }
        // The right one is still taken after all those.
        assert_eq!(writer.next_chunk() as usize, at);
        writer.accept(chunk).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn chunks_must_come_once_in_order_and_whole() {
    let engine = source(20, |number| vec![number as u8; 500]);
    let good = all(&engine, 4096);
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    assert_eq!(refused(&swapped), Some((1, Damage::Sequence(2))));
    let mut twice = good.clone();
    twice.insert(2, good[1].clone());
    assert_eq!(refused(&twice), Some((2, Damage::Sequence(1))));
    let mut missing = good.clone();
    missing.remove(3);
    assert_eq!(refused(&missing), Some((3, Damage::Sequence(4))));
    assert_eq!(refused(&good[1..]), Some((0, Damage::Sequence(1))));
    let mut after_the_end = good.clone();
    after_the_end.push(good[0].clone());
    assert_eq!(refused(&after_the_end), Some((5, Damage::Sequence(0))));
    let mut cut = good.clone();
    cut[1].truncate(100);
    assert_eq!(refused(&cut), Some((1, Damage::Length)));
    cut[1] = Bytes::new();
    assert_eq!(refused(&cut), Some((1, Damage::Length)));
    for len in 0..good.len() {
        let folder = Folder::new();
        let error = folder.receive("s", &good[..len]).err().unwrap();
        assert!(matches!(error, Error::Incomplete { chunks } if chunks as usize == len));
    }
}

/// A chunk of another snapshot passes its own checks; the checksum of the whole finds it.
#[test]
fn a_chunk_of_another_snapshot_is_found() {
    let one = all(&source(20, |number| vec![number as u8; 500]), 4096);
    let two = all(&source(20, |number| vec![number as u8 + 1; 500]), 4096);
    for at in 0..2 {
        let mut mixed = one.clone();
        mixed[at + 1] = two[at + 1].clone();
        assert_eq!(refused(&mixed), Some((4, Damage::Overall)));
    }
    // Other keys at the same place: the totals still agree, the order does not.
    let mut mixed = one;
    mixed[2] = two[1].clone();
    assert_eq!(refused(&mixed), Some((2, Damage::Sequence(1))));
}

#[test]
fn a_newer_version_is_named() {
    let good = all(&source(1, |_| vec![]), 4096);
    let mut newer = good[0].to_vec();
    newer[4] = 2;
    assert_eq!(refused(&[newer.into()]), Some((0, Damage::Version(2))));
}

/// A frame with right magic, length and checksum around `payload`.
fn framed(kind: u8, sequence: u32, payload: &[u8]) -> Bytes {
    let mut chunk = b"HSNP\x01".to_vec();
    chunk.extend([kind, 0, 0]);
    chunk.extend(sequence.to_le_bytes());
    chunk.extend((payload.len() as u32).to_le_bytes());
    chunk.extend(payload);
    chunk.extend(crc32c::crc32c(&chunk).to_le_bytes());
    chunk.into()
}

proptest! {
    #[test]
    fn no_bytes_bring_the_receiver_down(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0_u8..5,
        first in any::<bool>(),
    ) {
        let folder = Folder::new();
        let mut writer = folder.writer("s");
        if !first {
            writer.accept(&framed(1, 0, b"header")).unwrap();
        }
        let _ = writer.accept(&bytes.clone().into());
        let sequence = writer.next_chunk();
        let _ = writer.accept(&framed(kind, sequence, &bytes));
        let _ = writer.finish();
    }

    #[test]
    fn no_records_bring_the_receiver_down(
        records in proptest::collection::vec(
            (0_u32..12, 0_u32..12, proptest::collection::vec(any::<u8>(), 0..24)),
            0..8,
        ),
    ) {
        let folder = Folder::new();
        let mut writer = folder.writer("s");
        writer.accept(&framed(1, 0, b"header")).unwrap();
        let mut payload = Vec::new();
        for (key, value, bytes) in records {
            payload.extend(key.to_le_bytes());
            payload.extend(value.to_le_bytes());
            payload.extend(bytes);
        }
        let _ = writer.accept(&framed(2, 1, &payload));
    }
}
