//! A view in which records that an earlier backup has are keys only.

use std::sync::Arc;

use bytes::Bytes;
use storage::engine::Snapshot;
use types::{ReadFailure, Reader};

use super::kept::{Block, came};

/// Says of a record whether the earlier backup has it as it is.
pub(crate) type Stayed = Box<dyn Fn(&Bytes, &Bytes) -> Result<bool, ReadFailure> + Send + Sync>;

/// The same, until `ended`: a chunk of keys may stand for many GiB that are read for it.
pub(crate) fn unless(ended: impl Fn() -> bool + Send + Sync + 'static, stayed: Stayed) -> Stayed {
    Box::new(move |key, value| match ended() {
        true => Err(ReadFailure("it is no longer wanted".to_owned())),
        false => stayed(key, value),
    })
}

/// The records of a view, marked. A scan that was ended goes on at the key that was refused.
pub(crate) struct Listing {
    view: Arc<dyn Snapshot>,
    stayed: Stayed,
}

impl Listing {
    pub(crate) fn new(view: Arc<dyn Snapshot>, stayed: Stayed) -> Self {
        Self { view, stayed }
    }
}

/// Shows records and blocks of keys in the order they come in.
struct Show<'a> {
    open: Option<Block>,
    visit: &'a mut dyn FnMut(Bytes, Bytes) -> bool,
}

impl Show<'_> {
    fn stayed(&mut self, key: Bytes) -> bool {
        if let Some(block) = &mut self.open
            && block.add(&key)
        {
            return true;
        }
        let goes_on = self.close();
        self.open = Some(Block::begin(key));
        goes_on
    }

    fn close(&mut self) -> bool {
        self.open.take().is_none_or(|block| {
            let (key, value) = block.finish();
            (self.visit)(key, value)
        })
    }
}

impl Reader for Listing {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.view.get(key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let mut show = Show { open: None, visit };
        let mut ended = Ok(true);
        self.view.scan(start, end, &mut |key, value| {
            ended = (self.stayed)(&key, &value).map(|stayed| match stayed {
                true => show.stayed(key),
                false => show.close() && (show.visit)(key, came(&value)),
            });
            matches!(ended, Ok(true))
        })?;
        if ended? {
            show.close();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use storage::engine::{Engine, MemoryEngine};
    use types::{Batch, Reader as _};

    use super::super::kept::{Marked, read};
    use super::{Listing, unless};

    #[test]
    fn a_scan_of_what_stayed_ends_as_soon_as_nobody_wants_it() {
        let engine = MemoryEngine::new();
        let mut batch = Batch::default();
        (0..100_u8).for_each(|key| batch.put(Bytes::from(vec![b'k', key]), Bytes::new()));
        engine.write(batch).unwrap();
        let read = Arc::new(AtomicU32::new(0));
        let (count, ended) = (Arc::clone(&read), Arc::clone(&read));
        let stayed = move |_: &Bytes, _: &Bytes| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        };
        let stayed = unless(move || ended.load(Ordering::SeqCst) == 7, Box::new(stayed));
        let listing = Listing::new(engine.snapshot().into(), stayed);
        let scanned = listing.scan(b"k", b"l", &mut |_, _| true);
        assert!(scanned.is_err());
        assert_eq!(read.load(Ordering::SeqCst), 7, "none was looked at after that");
    }

    #[test]
    fn however_often_it_is_broken_off_each_record_is_shown_once() {
        let engine = MemoryEngine::new();
        let mut batch = Batch::default();
        let key = |number: u32| Bytes::from(format!("key {number:05}"));
        // Some came, and stretches stayed that fill more than one block.
        let came = |number: u32| number.wrapping_mul(2_654_435_761) % 4_099 < 9;
        for number in 0..20_000 {
            batch.put(key(number), Bytes::from(number.to_be_bytes().to_vec()));
        }
        engine.write(batch).unwrap();
        let stayed = move |_: &Bytes, value: &Bytes| {
            Ok(!came(u32::from_be_bytes(value[..].try_into().unwrap())))
        };
        let listing = Listing::new(engine.snapshot().into(), Box::new(stayed));
        for at_once in [1, 2, 1_000] {
            let (mut from, mut next) = (Some(Bytes::from_static(b"a")), 0);
            let mut blocks = 0;
            while let Some(start) = from.take() {
                let mut shown = Vec::new();
                let scanned = listing.scan(&start, b"z", &mut |key, value| {
                    if shown.len() == at_once {
                        from = Some(key);
                        return false;
                    }
                    shown.push((key, value));
                    true
                });
                scanned.unwrap();
                for (at, value) in shown {
                    match read(&at, &value).unwrap() {
                        Marked::Came(value) => {
                            assert!(came(next) && at == key(next));
                            assert_eq!(&value[..], next.to_be_bytes());
                            next += 1;
                        }
                        Marked::Stayed(keys) => {
                            blocks += 1;
                            for kept in keys {
                                assert!(!came(next) && kept.unwrap() == key(next));
                                next += 1;
                            }
                        }
                    }
                }
            }
            assert_eq!(next, 20_000);
            assert!(blocks > 2, "{blocks}");
        }
    }
}
