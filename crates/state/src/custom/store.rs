//! The records of a custom machine: a slice of the engine that looks like all there is.

use bytes::Bytes;
use types::{Batch, Index, KeyRange, ReadFailure, Reader, RegionId, Term};

use super::Unwritten;
use crate::keys;

/// Bytes in a key; the engine's own limit less what is put in front.
const KEY_BYTES: usize = 65_535 - 9;
/// Bytes in a value.
const VALUE_BYTES: usize = 64 << 20;

/// The machine's records, to read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    region: RegionId,
    reader: &'a dyn Reader,
    unwritten: Option<&'a Unwritten>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        region: RegionId,
        reader: &'a dyn Reader,
        unwritten: Option<&'a Unwritten>,
    ) -> Self {
        Self { region, reader, unwritten }
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        let key = keys::custom(self.region, key);
        match self.unwritten.and_then(|unwritten| unwritten.get(&key)) {
            Some(value) => Ok(value.clone()),
            None => self.reader.get(&key),
        }
    }

    /// Shows `visit` the records in `range` in the order of their keys, until it answers `false`.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn scan(
        &self,
        range: &KeyRange,
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let start = keys::custom(self.region, &range.start);
        let end = match &range.end {
            Some(end) => keys::custom(self.region, end),
            None => keys::all_custom(self.region).1,
        };
        if start >= end {
            return Ok(());
        }
        let mut show = |key: &Bytes, value| visit(key.slice(keys::CUSTOM_PREFIX..), value);
        let mut pending =
            self.unwritten.map(|it| it.range(start.clone()..end.clone())).into_iter().flatten();
        let mut next = pending.next();
        let mut wanted = true;
        self.reader.scan(&start, &end, &mut |key, value| {
            while let Some((first, fresh)) = next.filter(|(first, _)| **first <= key) {
                next = pending.next();
                let shown = fresh.clone().is_none_or(|fresh| show(first, fresh));
                if *first == key || !shown {
                    wanted = shown;
                    return wanted;
                }
            }
            wanted = show(&key, value);
            wanted
        })?;
        while let Some((key, fresh)) = next.filter(|_| wanted) {
            next = pending.next();
            wanted = fresh.clone().is_none_or(|fresh| show(key, fresh));
        }
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        View::get(self, key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let end = Some(Bytes::copy_from_slice(end));
        View::scan(self, &KeyRange { start: Bytes::copy_from_slice(start), end }, visit)
    }
}

/// The machine's records while a command is applied: what it writes it reads, and all of it becomes
/// durable together with the word that the command was applied.
pub struct Store<'a> {
    region: RegionId,
    at: (Index, Term),
    reader: &'a dyn Reader,
    unwritten: &'a mut Unwritten,
    batch: &'a mut Batch,
}

impl<'a> Store<'a> {
    pub(crate) fn new(
        region: RegionId,
        at: (Index, Term),
        reader: &'a dyn Reader,
        unwritten: &'a mut Unwritten,
        batch: &'a mut Batch,
    ) -> Self {
        Self { region, at, reader, unwritten, batch }
    }

    /// The command's position in the log: it grows from command to command, not always by one.
    #[must_use]
    pub fn index(&self) -> Index {
        self.at.0
    }

    /// The term of the leader that proposed the command.
    #[must_use]
    pub fn term(&self) -> Term {
        self.at.1
    }

    /// The records, with everything written so far.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self.region, self.reader, Some(self.unwritten))
    }

    /// [`View::get`].
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.view().get(key)
    }

    /// [`View::scan`].
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn scan(
        &self,
        range: &KeyRange,
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.view().scan(range, visit)
    }

    /// Sets `key` to `value`.
    ///
    /// # Panics
    /// When the key has over 65,526 bytes or the value over 64 MiB; the keyspace is set aside then.
    pub fn put(&mut self, key: &[u8], value: impl Into<Bytes>) {
        let value = value.into();
        let (key_len, value_len) = (key.len(), value.len());
        assert!(key_len <= KEY_BYTES, "a key of {key_len} bytes; at most {KEY_BYTES} fit");
        assert!(
            value_len <= VALUE_BYTES,
            "a value of {value_len} bytes; at most {VALUE_BYTES} fit"
        );
        let key = keys::custom(self.region, key);
        self.batch.put(key.clone(), value.clone());
        self.unwritten.insert(key, Some(value));
    }

    /// Removes `key`; one that is not there stays away.
    pub fn delete(&mut self, key: &[u8]) {
        if key.len() <= KEY_BYTES {
            let key = keys::custom(self.region, key);
            self.batch.delete(key.clone());
            self.unwritten.insert(key, None);
        }
    }
}
