//! Reads a bolt file back, strictly, for tests. It shares nothing with the writer but the format.

use std::collections::{BTreeMap, BTreeSet};

pub(super) type Buckets = BTreeMap<Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>>;

pub(super) struct Checker<'a> {
    file: &'a [u8],
    seen: BTreeSet<u64>,
}

struct Element<'a> {
    flags: u32,
    key: &'a [u8],
    value: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Every bucket with its entries. Panics over anything that is not as it must be.
pub(super) fn read(file: &[u8]) -> Buckets {
    assert_eq!(file.len() % 4096, 0);
    let metas: Vec<&[u8]> = (0..2).map(|id| &file[id * 4096..(id + 1) * 4096]).collect();
    for (id, meta) in metas.iter().enumerate() {
        assert_eq!((u64_at(meta, 0), u16_at(meta, 8)), (id as u64, 4));
        assert_eq!((u32_at(meta, 16), u32_at(meta, 20)), (0xED0C_DAED, 2));
        assert_eq!(u32_at(meta, 24), 4096);
        assert_eq!(u64_at(meta, 64), id as u64, "its transaction");
        let sum = meta[16..72].iter().fold(14_695_981_039_346_656_037_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
        });
        assert_eq!(u64_at(meta, 72), sum);
    }
    let meta = metas[1];
    let (root, freelist, pages) = (u64_at(meta, 32), u64_at(meta, 48), u64_at(meta, 56));
    assert_eq!(file.len() as u64, pages * 4096);
    let mut checker = Checker { file, seen: BTreeSet::from([0, 1]) };
    let free = checker.page(freelist);
    assert_eq!((u16_at(free, 8), u16_at(free, 10)), (0x10, 0));
    let mut buckets = Buckets::new();
    for (flags, name, value) in checker.entries(root) {
        assert_eq!((flags, value.len()), (1, 16), "a bucket");
        let entries = checker.entries(u64_at(&value, 0)).into_iter().map(|(flags, key, value)| {
            assert_eq!(flags, 0);
            (key, value)
        });
        assert!(buckets.insert(name, entries.collect()).is_none());
    }
    assert_eq!(checker.seen, (0..pages).collect(), "every page has its place");
    buckets
}

impl<'a> Checker<'a> {
    /// A page with those that belong to it; each is reached once.
    fn page(&mut self, id: u64) -> &'a [u8] {
        let at = usize::try_from(id).unwrap() * 4096;
        let overflow = u64::from(u32_at(self.file, at + 12));
        assert_eq!(u64_at(self.file, at), id);
        for id in id..=id + overflow {
            assert!(self.seen.insert(id), "page {id} is reached twice");
        }
        &self.file[at..at + (overflow as usize + 1) * 4096]
    }

    fn entries(&mut self, root: u64) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        self.walk(root, None, &mut all);
        assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].1), "keys ascend");
        all
    }

    /// `first` is what the page above says the first key is.
    fn walk(&mut self, id: u64, first: Option<&[u8]>, all: &mut Vec<(u32, Vec<u8>, Vec<u8>)>) {
        let page = self.page(id);
        let count = usize::from(u16_at(page, 10));
        match u16_at(page, 8) {
            1 => {
                assert!(count >= 2, "bolt panics over a branch of one child");
                for number in 0..count {
                    let at = 16 + number * 16;
                    let (pos, len) = (u32_at(page, at) as usize, u32_at(page, at + 4) as usize);
                    let key = &page[at + pos..at + pos + len];
                    if number == 0 {
                        assert!(first.is_none_or(|first| first == key));
                    }
                    self.walk(u64_at(page, at + 8), Some(key), all);
                }
            }
            2 => {
                assert!(count > 0 || first.is_none(), "an empty leaf is a root");
                for number in 0..count {
                    let element = element(page, 16 + number * 16);
                    if number == 0 {
                        assert!(first.is_none_or(|first| first == element.key));
                    }
                    all.push((element.flags, element.key.to_vec(), element.value.to_vec()));
                }
            }
            other => panic!("page {id} is of the kind {other}"),
        }
    }
}

fn element(page: &[u8], at: usize) -> Element<'_> {
    let number = |field: usize| u32_at(page, at + 4 * field) as usize;
    let key = at + number(1);
    let value = key + number(2);
    let end = value + number(3);
    Element { flags: u32_at(page, at), key: &page[key..value], value: &page[value..end] }
}
