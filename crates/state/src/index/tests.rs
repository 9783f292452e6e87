use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use types::{KeyRange, LeaseId, Revision};

use super::{Head, KeyIndex};
use crate::response::Position;

fn head(revision: i64, deleted: bool) -> Head {
    Head {
        position: Position { revision: Revision(revision), sub: 3 },
        create_revision: Revision(1),
        version: 2,
        lease: LeaseId(-7),
        deleted,
        reborn: revision % 2 == 0,
        consul: revision % 3 == 0,
    }
}

fn same(index: &KeyIndex, model: &BTreeMap<Vec<u8>, Head>, range: &KeyRange) {
    let wanted: Vec<_> = model
        .iter()
        .filter(|(key, _)| range.contains(key))
        .map(|(key, head)| (key.as_slice(), *head))
        .collect();
    assert_eq!(index.range(range).collect::<Vec<_>>(), wanted);
    assert_eq!(index.count(range), wanted.iter().filter(|(_, head)| !head.deleted).count());
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0_u16..4000).prop_map(|number| format!("key/{number}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => (0_u8..4).prop_map(|byte| vec![byte; 40_000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn behaves_as_a_sorted_map(
        steps in prop::collection::vec((key(), 0_u8..10), 1..3000),
        ranges in prop::collection::vec((key(), prop::option::of(key())), 20),
    ) {
        let (mut index, mut model) = (KeyIndex::default(), BTreeMap::new());
        for (number, (key, what)) in steps.into_iter().enumerate() {
            if what < 2 {
                index.remove(&key);
                model.remove(&key);
            } else {
                let head = head(i64::try_from(number).unwrap(), what < 4);
                index.set(&key, head);
                model.insert(key.clone(), head);
            }
            prop_assert_eq!(index.get(&key), model.get(&key).copied());
        }
        same(&index, &model, &KeyRange::all());
        for (start, end) in ranges {
            same(&index, &model, &KeyRange { start: start.into(), end: end.map(Bytes::from) });
        }
        let few: Vec<_> = model.keys().step_by(8).cloned().collect();
        model.retain(|key, _| {
            let stays = few.binary_search(key).is_ok();
            if !stays {
                index.remove(key);
            }
            stays
        });
        same(&index, &model, &KeyRange::all());
        for key in model.keys() {
            index.remove(key);
        }
        prop_assert_eq!(index.count(&KeyRange::all()), 0);
        prop_assert!(index.blocks.is_empty());
    }
}

#[test]
fn keys_in_order_fill_the_blocks() {
    let mut index = KeyIndex::default();
    for number in 0..100_000_u64 {
        index.set(&number.to_be_bytes(), head(2, false));
    }
    let per_key = index.memory() / 100_000;
    assert!(per_key <= 60, "{per_key} bytes per key");
}

#[test]
fn keys_in_no_order_stay_compact() {
    let mut index = KeyIndex::default();
    for number in 0..100_000_u64 {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        index.set(&key.to_be_bytes(), head(2, false));
    }
    let per_key = index.memory() / 100_000;
    assert!(per_key <= 80, "{per_key} bytes per key");
}
