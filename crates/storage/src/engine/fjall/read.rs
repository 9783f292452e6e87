use std::ops::Bound;
use std::sync::Arc;

use ::fjall::{Keyspace, Readable as _, Snapshot};
use bytes::Bytes;
use types::{ReadFailure, Reader};

use crate::engine::contract::KEY_BYTES_MAX;
use crate::engine::latch::Latch;

/// A frozen view.
pub(super) struct View {
    keyspace: Keyspace,
    snapshot: Snapshot,
    latch: Arc<Latch>,
}

impl View {
    pub(super) fn new(keyspace: Keyspace, snapshot: Snapshot, latch: Arc<Latch>) -> Self {
        Self { keyspace, snapshot, latch }
    }
}

impl Reader for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.latch.check_read()?;
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let found = self.snapshot.get(&self.keyspace, key);
        let found = found.map_err(|error| self.latch.failed_read(&error))?;
        Ok(found.map(Bytes::from))
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.latch.check_read()?;
        let Some(bounds) = bounds(start, end) else { return Ok(()) };
        for guard in self.snapshot.range::<&[u8], _>(&self.keyspace, bounds) {
            let (key, value) =
                guard.into_inner().map_err(|error| self.latch.failed_read(&error))?;
            if !visit(key.into(), value.into()) {
                break;
            }
        }
        Ok(())
    }
}

/// `[start, end)` in bounds no longer than a key may be, on which `fjall` would panic. No key lies
/// between a bound cut to that length and the bound itself, except the cut one.
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

type Bounds<'key> = (Bound<&'key [u8]>, Bound<&'key [u8]>);
