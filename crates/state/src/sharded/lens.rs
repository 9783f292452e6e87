//! The keys of a region, those of the batch in the making before those of the engine.

use std::ops::ControlFlow;

use bytes::Bytes;
use types::{KeyRange, KeyspaceId, ReadFailure, Reader};

use super::{Unwritten, record};
use crate::error::damaged;
use crate::keys;
use crate::response::KeyValue;

/// Reads keys of one keyspace. It does not ask whose they are.
#[derive(Clone, Copy)]
pub(crate) struct Lens<'a> {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) reader: &'a dyn Reader,
    pub(crate) unwritten: Option<&'a Unwritten>,
}

impl Lens<'_> {
    pub(crate) fn get(&self, key: &Bytes) -> Result<Option<KeyValue>, ReadFailure> {
        self.get_at(&keys::data(self.keyspace, key), key)
    }

    /// The same for who has the engine key `at` already.
    pub(crate) fn get_at(&self, at: &Bytes, key: &Bytes) -> Result<Option<KeyValue>, ReadFailure> {
        let found = match self.unwritten.and_then(|unwritten| unwritten.get(at)) {
            Some(fresh) => fresh.clone(),
            None => self.reader.get(at)?,
        };
        found.map(|bytes| read(key.clone(), bytes)).transpose()
    }

    /// Shows `visit` the keys of `range` in order until it breaks off.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        visit: &mut dyn FnMut(KeyValue) -> ControlFlow<()>,
    ) -> Result<(), ReadFailure> {
        let mut failure = None;
        self.scan_raw(range, &mut |key, value| match read(key, value) {
            Ok(kv) => visit(kv).is_continue(),
            Err(error) => {
                failure = Some(error);
                false
            }
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// The same with the bytes of the records.
    pub(crate) fn scan_raw(
        &self,
        range: &KeyRange,
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let (start, end) = keys::data_range(self.keyspace, range);
        if start >= end {
            return Ok(());
        }
        let mut show = |key: &Bytes, value| visit(key.slice(keys::DATA_PREFIX..), value);
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

fn read(key: Bytes, bytes: Bytes) -> Result<KeyValue, ReadFailure> {
    record::decode(key.clone(), bytes).map_err(|error| damaged(&format!("the key {key:?}"), &error))
}
