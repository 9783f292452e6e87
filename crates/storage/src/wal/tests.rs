//! The decoders on bytes of all kinds. What the whole log promises is tested in `tests/it/wal`.

use proptest::prelude::*;
use types::{Entry, EntryKind, HardState, Index, PeerId, RegionId, Term};

use super::decode::{self, Flaw, Found};
use super::encode::{self, Item, Place, State};
use super::layout::{BATCH_HEADER, BatchHeader, SegmentHeader};

const PLACE: Place = Place { sequence: 9, mark: 4, segment: 3, seed: 0xABCD };

fn any_entry() -> impl Strategy<Value = Entry> {
    let data = proptest::collection::vec(any::<u8>(), 0..80);
    (any::<u64>(), any::<bool>(), data).prop_map(|(term, change, data)| Entry {
        term: Term(term),
        index: Index(0),
        kind: if change { EntryKind::ConfChange } else { EntryKind::Normal },
        data: data.into(),
    })
}

fn any_state() -> impl Strategy<Value = State> {
    let hard = (any::<u64>(), any::<Option<u64>>(), any::<u64>());
    let position = (0..u64::MAX, any::<u64>());
    let generation = proptest::option::of(0..u32::MAX);
    (any::<u64>(), proptest::option::of(hard), position, any::<bool>(), generation).prop_map(
        |(region, hard, (base, base_term), reset, generation)| State {
            generation,
            region: RegionId(region),
            hard_state: hard.map(|(term, vote, commit)| HardState {
                term: Term(term),
                vote: vote.map(PeerId),
                commit: Index(commit),
            }),
            base: Index(base),
            base_term: Term(base_term),
            reset,
        },
    )
}

/// Items of one batch, with what their entries are borrowed from.
fn any_batch() -> impl Strategy<Value = Vec<Part>> {
    let entries = (any::<u64>(), 1..1_000_000_u64, proptest::collection::vec(any_entry(), 1..6));
    let part = prop_oneof![
        any_state().prop_map(Part::State),
        (entries, any::<bool>()).prop_map(|((region, first, mut entries), moved)| {
            for (entry, index) in entries.iter_mut().zip(first..) {
                entry.index = Index(index);
            }
            Part::Entries(RegionId(region), entries, moved)
        }),
        any::<u64>().prop_map(|region| Part::Remove(RegionId(region))),
    ];
    proptest::collection::vec(part, 0..8)
}

#[derive(Clone, Debug)]
enum Part {
    State(State),
    Entries(RegionId, Vec<Entry>, bool),
    Remove(RegionId),
}

fn encoded(parts: &[Part]) -> (Vec<u8>, Vec<u32>) {
    let items: Vec<Item<'_>> = parts
        .iter()
        .map(|part| match part {
            Part::State(state) => Item::State(*state),
            Part::Entries(region, entries, moved) => {
                Item::Entries { region: *region, entries, moved: *moved }
            }
            Part::Remove(region) => Item::Remove { region: *region },
        })
        .collect();
    let mut bytes = Vec::new();
    let offsets = encode::batch(&items, PLACE, &mut bytes);
    assert_eq!(bytes.len() as u64, encode::batch_len(&items), "the length is known before");
    (bytes, offsets)
}

fn decoded(bytes: &[u8]) -> Option<Result<Vec<Found>, Flaw>> {
    let header = BatchHeader::decode(bytes, PLACE.segment, PLACE.seed)?;
    let body_len = header.items_len as usize + header.data_len as usize;
    let body = bytes.get(BATCH_HEADER..)?.get(..body_len)?;
    Some(decode::body(&header, body, PLACE.seed, true))
}

proptest! {
    #[test]
    fn what_was_written_is_read(parts in any_batch()) {
        let (bytes, offsets) = encoded(&parts);
        let found = decoded(&bytes).unwrap().unwrap();
        prop_assert_eq!(found.len(), parts.len());
        for ((part, found), at) in parts.iter().zip(&found).zip(offsets) {
            match (part, found) {
                (Part::State(written), Found::State(read)) => prop_assert_eq!(written, read),
                (Part::Remove(written), Found::Remove { region }) => {
                    prop_assert_eq!(written, region);
                }
                (Part::Entries(region, entries, moved), Found::Entries(read)) => {
                    let last = entries.last().unwrap();
                    prop_assert_eq!(*region, read.region);
                    prop_assert_eq!(entries[0].index, read.first);
                    prop_assert_eq!(entries.len(), read.count as usize);
                    prop_assert_eq!(last.term, read.last_term);
                    prop_assert_eq!(*moved, read.moved);
                    prop_assert_eq!(at, read.at);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn a_changed_byte_never_passes_for_something_else(
        parts in any_batch(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let (good, _) = encoded(&parts);
        let mut bad = good.clone();
        let at = at.index(bad.len());
        bad[at] ^= flip;
        let read = decoded(&bad);
        prop_assert!(
            matches!(read, None | Some(Err(Flaw::Checksum))) || read == decoded(&good),
            "{:?}", read
        );
    }

    /// Right checksums over anything: the decoder is all that stands between it and the index.
    #[test]
    fn nonsense_with_right_checksums_is_an_answer(
        mut items in proptest::collection::vec(any::<u8>(), 0..400),
        kinds in proptest::collection::vec((any::<prop::sample::Index>(), 0..6_u8), 0..6),
        data in proptest::collection::vec(any::<u8>(), 0..100),
        count in prop_oneof![0..10_u32, any::<u32>()],
    ) {
        for (at, kind) in kinds {
            if !items.is_empty() {
                let at = at.index(items.len());
                items[at] = kind;
            }
        }
        let header = BatchHeader {
            sequence: 1,
            mark: 0,
            segment: PLACE.segment,
            items_len: u32::try_from(items.len()).unwrap(),
            data_len: u32::try_from(data.len()).unwrap(),
            items_checksum: crc32c::crc32c_append(PLACE.seed, &items),
            items: count,
        };
        let body: Vec<u8> = items.iter().chain(&data).copied().collect();
        if let Ok(found) = decode::body(&header, &body, PLACE.seed, true) {
            prop_assert_eq!(found.len(), count as usize);
        }
    }

    #[test]
    fn any_bytes_are_a_segment_header_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }
}

/// One field of a good item is changed and the checksum made right again.
#[test]
fn an_item_that_lies_about_its_lengths_is_nonsense() {
    let entry = Entry { index: Index(5), data: b"abc".as_slice().into(), ..Entry::default() };
    let parts = [Part::Entries(RegionId(1), vec![entry], false), Part::Remove(RegionId(2))];
    let (good, _) = encoded(&parts);
    let header = BatchHeader::decode(&good, PLACE.segment, PLACE.seed).unwrap();
    let body = &good[BATCH_HEADER..good.len().min(BATCH_HEADER + header.items_len as usize + 3)];
    for at in [4, 7, 23, 24, 27, 28, 31, 32 + 8, 32 + 11, 52] {
        for value in [0, 1, 2, 200, 255] {
            let mut bad = body.to_vec();
            if bad[at] == value {
                continue;
            }
            bad[at] = value;
            let (items, _) = bad.split_at(header.items_len as usize);
            let items_checksum = crc32c::crc32c_append(PLACE.seed, items);
            let read =
                decode::body(&BatchHeader { items_checksum, ..header }, &bad, PLACE.seed, true);
            assert!(read.is_err(), "byte {at} = {value}: {read:?}");
        }
    }
}

#[test]
fn a_later_version_is_told_from_damage() {
    let header = SegmentHeader { number: 1, first_batch: 1, len: 65_536, salt: 5 };
    let mut bytes = header.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
    bytes[8] = 2;
    assert!(matches!(SegmentHeader::decode(&bytes), Err(super::layout::BadHeader::Damaged(_))));
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Err(super::layout::BadHeader::Newer(2)));
}
