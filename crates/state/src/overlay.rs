//! Reading versions of keys, also those of the batch that is not in the engine yet.

use bytes::Bytes;
use types::{ReadFailure, Reader, RegionId};

use crate::error::damaged;
use crate::keys;
use crate::record::Record;
use crate::response::Position;

/// The records of a batch in the making, in the order of their positions.
#[derive(Default)]
pub(crate) struct Overlay(Vec<(Position, Bytes)>);

impl Overlay {
    pub(crate) fn push(&mut self, position: Position, record: Bytes) {
        let last = self.0.last().map(|(last, _)| *last);
        assert!(last < Some(position), "a record at {position:?} is written after {last:?}");
        self.0.push((position, record));
    }

    fn get(&self, position: Position) -> Option<Bytes> {
        let at = self.0.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        Some(self.0[at].1.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A region's records: those of the batch in the making before those of the engine.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) region: RegionId,
    pub(crate) overlay: Option<&'a Overlay>,
    pub(crate) reader: &'a dyn Reader,
}

impl Records<'_> {
    pub(crate) fn get(&self, position: Position) -> Result<Option<Record>, ReadFailure> {
        let bytes = match self.overlay.and_then(|overlay| overlay.get(position)) {
            Some(bytes) => Some(bytes),
            None => self.reader.get(&keys::record(self.region, position))?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let record = Record::decode(&bytes).map_err(|error| {
            damaged(&format!("record {position:?} of region {}", self.region), &error)
        })?;
        Ok(Some(record))
    }
}
