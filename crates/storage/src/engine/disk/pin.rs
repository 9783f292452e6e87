use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::{AbstractTree as _, AnyTree, Guard as _};

use super::tables::Tables;

pub(super) type Bounds<'key> = (Bound<&'key [u8]>, Bound<&'key [u8]>);
type Pair = lsm_tree::Result<(Bytes, Bytes)>;

/// A frozen view of the tables.
pub(super) struct Pin {
    pub(super) tables: Arc<Tables>,
    /// What was written with a lower number is seen.
    pub(super) at: u64,
}

impl Pin {
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.at < other.at
    }

    pub(super) fn get(&self, key: &[u8]) -> lsm_tree::Result<Option<Bytes>> {
        let tree = match (self.tables.family)(key) {
            Some(_) => &self.tables.runs,
            None => &self.tables.rest,
        };
        Ok(tree.get(key, self.at)?.map(Bytes::from))
    }

    /// In order. No key is in both trees.
    pub(super) fn range(&self, bounds: Bounds<'_>) -> impl Iterator<Item = Pair> + use<> {
        let mut runs = range(&self.tables.runs, bounds, self.at).peekable();
        let mut rest = range(&self.tables.rest, bounds, self.at).peekable();
        std::iter::from_fn(move || match (runs.peek(), rest.peek()) {
            (Some(Ok((one, _))), Some(Ok((other, _)))) if one < other => runs.next(),
            (None | Some(Ok(_)), Some(_)) => rest.next(),
            _ => runs.next(),
        })
    }
}

fn range(tree: &AnyTree, bounds: Bounds<'_>, at: u64) -> impl Iterator<Item = Pair> + use<> {
    tree.range::<&[u8], _>(bounds, at, None)
        .map(|guard| guard.into_inner().map(|(key, value)| (Bytes::from(key), Bytes::from(value))))
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.tables.pins.lock();
        if let Some(count) = pins.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.at);
            }
        }
    }
}
