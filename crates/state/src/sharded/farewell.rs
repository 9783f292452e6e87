//! What is left of a region whose replica leaves a node: a note that it is to be removed. It stands until
//! nothing is left, so that a crash half way is continued and not taken for damage.

use bytes::Bytes;
use types::{Batch, ReadFailure, Reader, RegionId};

use super::Shape;
use crate::LoadError;
use crate::keys;

/// Notes that the region's replica leaves, and where its records are.
pub fn note(region: RegionId, shape: Option<&Shape>, batch: &mut Batch) {
    batch.put(keys::farewell(region), shape.map(Shape::encode).unwrap_or_default());
}

/// Nothing of the region is left.
pub fn is_over(region: RegionId, batch: &mut Batch) {
    batch.delete(keys::farewell(region));
}

/// The regions that are not removed whole yet.
///
/// # Errors
/// When the notes cannot be read, or are damaged.
pub fn pending(reader: &dyn Reader) -> Result<Vec<(RegionId, Option<Shape>)>, LoadError> {
    let (start, end) = keys::farewells();
    let mut notes: Vec<(Bytes, Bytes)> = Vec::new();
    let read: Result<(), ReadFailure> = reader.scan(&start, &end, &mut |key, value| {
        notes.push((key, value));
        true
    });
    read?;
    let damaged =
        |what: String| LoadError::Damaged(format!("the note of a region that left: {what}"));
    let mut pending = Vec::new();
    for (key, value) in notes {
        let region = key.get(start.len()..).and_then(|rest| rest.try_into().ok());
        let region =
            RegionId(u64::from_be_bytes(region.ok_or_else(|| damaged("its key".to_owned()))?));
        let shape = match value.is_empty() {
            true => None,
            false => Some(Shape::decode(value).map_err(|error| damaged(error.to_string()))?),
        };
        pending.push((region, shape));
    }
    Ok(pending)
}
