use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::rows::Rows;
use super::tables::Tables;

pub(super) type Bounds<'key> = (Bound<&'key [u8]>, Bound<&'key [u8]>);
pub(super) type Pair = lsm_tree::Result<(Bytes, Bytes)>;

/// A frozen view of the tables.
pub(super) struct Pin {
    pub(super) tables: Arc<Tables>,
    pub(super) runs: Rows,
    pub(super) rest: Rows,
    /// What was written with a lower number is seen.
    pub(super) at: u64,
}

impl Pin {
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.at < other.at
    }

    pub(super) fn get(&self, key: &[u8]) -> lsm_tree::Result<Option<Bytes>> {
        let rows = match (self.tables.family)(key) {
            Some(_) => &self.runs,
            None => &self.rest,
        };
        rows.get(key, self.at)
    }

    /// In order. No key is in both trees.
    pub(super) fn range(&self, bounds: Bounds<'_>) -> impl Iterator<Item = Pair> + use<> {
        let mut runs = self.runs.range(bounds, self.at).peekable();
        let mut rest = self.rest.range(bounds, self.at).peekable();
        std::iter::from_fn(move || match (runs.peek(), rest.peek()) {
            (Some(Ok((one, _))), Some(Ok((other, _)))) if one < other => runs.next(),
            (None | Some(Ok(_)), Some(_)) => rest.next(),
            _ => runs.next(),
        })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.tables.left.lock().extend([mem::take(&mut self.runs), mem::take(&mut self.rest)]);
        let mut pins = self.tables.pins.lock();
        if let Some(count) = pins.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.at);
            }
        }
    }
}
