//! What a part of an incremental backup says where most of the records before it are still there: records
//! that came since, and between them only the keys of those that stayed. Drawn in `docs/format.md`, "Backup".

use bytes::Bytes;

use super::error::Error;

/// In front of the value of a record that came since.
const CAME: u8 = 0;
/// In front of further keys that stayed, in the place of a value: the record's own key stayed, too.
const STAYED: u8 = 1;
/// Bytes that a block of keys may grow to.
const BLOCK_BYTES: usize = 32 * 1024;
/// Of a key that has more, no number is written: none is that long.
const KEY_BYTES: usize = 65_535;

/// What a record of such a part is.
pub(crate) enum Marked {
    /// It came since: its value.
    Came(Bytes),
    /// Its key stayed, and these behind it.
    Stayed(Keys),
}

/// The value of a record that came since.
pub(crate) fn came(value: &[u8]) -> Bytes {
    [&[CAME], value].concat().into()
}

/// Reads a record's value.
pub(crate) fn read(key: &Bytes, value: &Bytes) -> Result<Marked, Error> {
    let rest = || value.slice(1..);
    match value.first() {
        Some(&CAME) => Ok(Marked::Came(rest())),
        Some(&STAYED) => Ok(Marked::Stayed(Keys { next: Some(key.to_vec()), rest: rest() })),
        _ => Err(unreadable(key)),
    }
}

/// Keys that stayed, in their order, as they are written.
pub(crate) struct Block {
    first: Bytes,
    last: Bytes,
    value: Vec<u8>,
}

impl Block {
    pub(crate) fn begin(first: Bytes) -> Self {
        Self { last: first.clone(), first, value: vec![STAYED] }
    }

    /// Takes the next one, as long as there is room.
    pub(crate) fn add(&mut self, key: &Bytes) -> bool {
        let shared = self.last.iter().zip(key.iter()).take_while(|(a, b)| a == b).count();
        let own = &key[shared..];
        if key.len() > KEY_BYTES || self.value.len() + own.len() + 6 > BLOCK_BYTES {
            return false;
        }
        number(&mut self.value, shared);
        number(&mut self.value, own.len());
        self.value.extend_from_slice(own);
        self.last = key.clone();
        true
    }

    /// The record: its key and its value.
    pub(crate) fn finish(self) -> (Bytes, Bytes) {
        (self.first, self.value.into())
    }
}

/// Keys that stayed, one after the other: no more than one of them is in memory.
#[derive(Debug)]
pub(crate) struct Keys {
    next: Option<Vec<u8>>,
    rest: Bytes,
}

impl Keys {
    fn following(&mut self, before: &[u8]) -> Option<Vec<u8>> {
        let shared = take_number(&mut self.rest)?;
        let own = take_number(&mut self.rest)?;
        if own > self.rest.len() || shared + own > KEY_BYTES {
            return None;
        }
        let mut key = before.get(..shared)?.to_vec();
        key.extend_from_slice(&self.rest.split_to(own));
        // Two of the same, or one before the other, are none that were written.
        (key.as_slice() > before).then_some(key)
    }
}

impl Iterator for Keys {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.next.take()?;
        if !self.rest.is_empty() {
            match self.following(&key) {
                Some(next) => self.next = Some(next),
                None => {
                    self.rest = Bytes::new();
                    return Some(Err(unreadable(&key)));
                }
            }
        }
        Some(Ok(key.into()))
    }
}

fn unreadable(key: &[u8]) -> Error {
    Error::Record(format!("{key:?}: neither what came nor keys that stayed"))
}

/// LEB128 of what has at most 16 bits.
fn number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn take_number(from: &mut Bytes) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14] {
        let byte = *from.first()?;
        *from = from.slice(1..);
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = BTreeSet<Vec<u8>>> {
        let short = proptest::collection::vec(0..3_u8, 1..12);
        let long = (1..3_u8, 100..20_000_usize).prop_map(|(byte, len)| vec![byte; len]);
        proptest::collection::btree_set(prop_oneof![9 => short, 1 => long], 1..80)
    }

    fn all(key: &Bytes, value: &Bytes) -> Result<Vec<Bytes>, String> {
        match read(key, value).map_err(|error| error.to_string())? {
            Marked::Came(value) => Ok(vec![value]),
            Marked::Stayed(keys) => keys.collect::<Result<_, _>>().map_err(|it| it.to_string()),
        }
    }

    proptest! {
        #[test]
        fn keys_come_back_in_their_order_and_blocks_stay_small(keys in keys()) {
            let wanted: Vec<Bytes> = keys.into_iter().map(Bytes::from).collect();
            let (mut blocks, mut open) = (Vec::new(), None::<Block>);
            for key in &wanted {
                let full = match &mut open {
                    Some(block) => !block.add(key),
                    None => true,
                };
                if full && let Some(before) = open.replace(Block::begin(key.clone())) {
                    blocks.push(before.finish());
                }
            }
            blocks.extend(open.map(Block::finish));
            let mut found = Vec::new();
            for (key, value) in &blocks {
                prop_assert!(value.len() <= BLOCK_BYTES);
                found.extend(all(key, value).unwrap());
            }
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn what_nobody_wrote_is_refused_or_read_as_keys_in_order(
            key in proptest::collection::vec(any::<u8>(), 1..9),
            value in proptest::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..40),
        ) {
            if let Ok(keys) = all(&key.into(), &value.clone().into())
                && value.first() == Some(&STAYED)
            {
                prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
            }
        }
    }

    #[test]
    fn the_written_form_stands() {
        let mut block = Block::begin(Bytes::from_static(b"key/1"));
        for key in [&b"key/10"[..], b"key/2", b"l"] {
            assert!(block.add(&Bytes::from_static(key)));
        }
        let (key, value) = block.finish();
        assert_eq!(
            (&key[..], &value[..]),
            (&b"key/1"[..], &b"\x01\x05\x010\x04\x012\x00\x01l"[..])
        );
        assert_eq!(&came(b"value")[..], b"\0value");
        assert!(all(&key, &Bytes::from_static(b"\x01\x06\x010")).is_err(), "more than there is");
        assert!(all(&key, &Bytes::from_static(b"\x01\x05\x02x")).is_err(), "cut off");
        assert!(all(&key, &Bytes::new()).is_err());
    }
}
