use std::convert::Infallible;

use proptest::prelude::*;

use super::check::{self, Buckets};
use super::{Layout, Sink, Writer};

impl Sink for Vec<u8> {
    type Stop = Infallible;

    fn write(&mut self, mut pages: Vec<u8>) -> Result<(), Infallible> {
        self.append(&mut pages);
        Ok(())
    }
}

fn fill<S: Sink>(mut writer: Writer<S>, buckets: &Buckets) -> Result<(Layout, S), S::Stop> {
    for (name, entries) in buckets {
        writer.bucket(name)?;
        for (key, value) in entries {
            writer.entry(key, value)?;
        }
    }
    writer.finish()
}

fn written(buckets: &Buckets) -> Vec<u8> {
    let Ok((layout, _)) = fill(Writer::measure(Vec::new()), buckets);
    let Ok(writer) = Writer::begin(Vec::new(), layout);
    let Ok((again, file)) = fill(writer, buckets);
    assert_eq!(again, layout);
    assert_eq!(file.len() as u64, layout.bytes());
    file
}

fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    // Lengths around what makes a page full, and over it.
    let key = prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 1..24),
        1 => prop::collection::vec(any::<u8>(), 900..5000),
    ];
    let value = prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 3900..9000),
    ];
    prop::collection::btree_map(key, value, 0..700).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_file_is_read_back(
        names in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 1..20), 0..5),
        many in prop::collection::vec(entries(), 5),
    ) {
        let buckets: Buckets = names.into_iter().zip(many).collect();
        prop_assert_eq!(check::read(&written(&buckets)), buckets);
    }
}

/// Trees of three heights, at every number of children around where a page gets full.
#[test]
fn no_branch_has_one_child() {
    let key = |number: u32| [vec![b'x'; 600], number.to_be_bytes().to_vec()].concat();
    for count in 0..400 {
        let entries = (0..count).map(|number| (key(number), vec![b'v'; 2000])).collect();
        let buckets = Buckets::from([(b"key".to_vec(), entries)]);
        assert_eq!(check::read(&written(&buckets)), buckets);
    }
}
