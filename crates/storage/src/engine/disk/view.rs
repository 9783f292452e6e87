use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use types::{ReadFailure, Reader};

use super::pin::{Bounds, Pin};
use super::record::Record;
use crate::engine::contract::KEY_BYTES_MAX;
use crate::engine::latch::Latch;
use crate::engine::tree::{Item as _, Tree};

/// A frozen view: overlays over tables. What an overlay says of a key hides what is below it.
pub(super) struct View {
    /// The newest first.
    pub(super) overlays: Vec<Tree<Record>>,
    pub(super) pin: Arc<Pin>,
    /// What the tables have from here on is not looked at: the overlays have all of it.
    pub(super) tables_end: Option<&'static [u8]>,
    pub(super) latch: Arc<Latch>,
}

impl Reader for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.latch.check_read()?;
        match self.overlays.iter().find_map(|overlay| overlay.get(key)) {
            Some(record) => Ok(record.value()),
            None if self.tables_end.is_some_and(|end| key >= end) => Ok(None),
            None => get_from_tables(&self.pin, key, &self.latch),
        }
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.latch.check_read()?;
        if bounds(start, end).is_none() {
            return Ok(());
        }
        let mut overlays: Vec<_> =
            self.overlays.iter().map(|overlay| overlay.from(start).peekable()).collect();
        let below = bounds(start, self.tables_end.map_or(end, |tables_end| tables_end.min(end)));
        let mut tables = below.into_iter().flat_map(|bounds| self.pin.range(bounds));
        let mut below = next(&mut tables, &self.latch)?;
        loop {
            let keys = overlays.iter_mut().filter_map(|items| items.peek().map(|item| item.key()));
            let above = keys.min().filter(|key| *key < end);
            match (above, below.take()) {
                (None, None) => return Ok(()),
                (Some(key), found) if found.as_ref().is_none_or(|(other, _)| key <= other) => {
                    below = match found {
                        Some((other, _)) if other == key => next(&mut tables, &self.latch)?,
                        found => found,
                    };
                    // The newest word on the key counts; all that say something of it move on.
                    let mut newest = None;
                    for items in &mut overlays {
                        let word = items.next_if(|item| item.key() == key);
                        newest = newest.or(word);
                    }
                    if let Some(record) = newest
                        && let Some(value) = record.value()
                        && !visit(record.key_bytes(), value)
                    {
                        return Ok(());
                    }
                }
                (_, Some((key, value))) => {
                    below = next(&mut tables, &self.latch)?;
                    if !visit(key, value) {
                        return Ok(());
                    }
                }
                (Some(_), None) => unreachable!("no key is less than nothing"),
            }
        }
    }
}

fn next(
    tables: &mut impl Iterator<Item = lsm_tree::Result<(Bytes, Bytes)>>,
    latch: &Latch,
) -> Result<Option<(Bytes, Bytes)>, ReadFailure> {
    tables.next().transpose().map_err(|error| latch.failed_read(&error))
}

/// The tables take no key that is longer than a key may be.
pub(super) fn get_from_tables(
    pin: &Pin,
    key: &[u8],
    latch: &Latch,
) -> Result<Option<Bytes>, ReadFailure> {
    if key.len() > KEY_BYTES_MAX {
        return Ok(None);
    }
    pin.get(key).map_err(|error| latch.failed_read(&error))
}

/// `[start, end)` in bounds no longer than a key may be, for the tables. No key lies between a bound
/// cut to that length and the bound itself, except the cut one.
fn bounds<'key>(start: &'key [u8], end: &'key [u8]) -> Option<Bounds<'key>> {
    let from = match start.get(..KEY_BYTES_MAX) {
        Some(cut) if cut.len() < start.len() => Bound::Excluded(cut),
        _ => Bound::Included(start),
    };
    let to = match end.get(..KEY_BYTES_MAX) {
        Some(cut) if cut.len() < end.len() => Bound::Included(cut),
        _ => Bound::Excluded(end),
    };
    let possible = match (from, to) {
        (Bound::Included(first), Bound::Included(last)) => first <= last,
        (Bound::Excluded(first) | Bound::Included(first), Bound::Excluded(last))
        | (Bound::Excluded(first), Bound::Included(last)) => first < last,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
    };
    possible.then_some((from, to))
}
