//! The tables of a tree as they are at one moment.
//!
//! The tree itself answers from whichever version of it a reader names, under a lock that is held while a new
//! version is written and synced, four times: on a busy disk every reader would wait for a second and more
//! with each flush and each merge.

use std::ops::Bound;

use bytes::Bytes;
use lsm_tree::merge::Merger;
use lsm_tree::table::filter::standard_bloom::Builder as Bloom;
use lsm_tree::{AbstractTree as _, AnyTree, InternalValue, SeqNo, Table, UserKey};

use super::pin::{Bounds, Pair};

type Item = lsm_tree::Result<InternalValue>;

/// Rows of tables, the newest first. The tables of a row are in order and do not overlap.
#[derive(Default)]
pub(super) struct Rows(Vec<Vec<Table>>);

impl Rows {
    /// Those that count now.
    pub(super) fn of(tree: &AnyTree) -> Self {
        let version = tree.current_version();
        let runs = version.iter_levels().flat_map(|level| level.iter());
        Self(runs.map(|run| run.iter().cloned().collect()).collect())
    }

    /// The newest record of a key among those with a lower number than `at`.
    pub(super) fn get(&self, key: &[u8], at: SeqNo) -> lsm_tree::Result<Option<Bytes>> {
        let hash = Bloom::get_hash(key);
        for row in &self.0 {
            let first = row.partition_point(|table| **table.metadata.key_range.max() < *key);
            let Some(table) = row.get(first) else { continue };
            if **table.metadata.key_range.min() > *key {
                continue;
            }
            if let Some(found) = table.get(key, at, hash)? {
                return Ok((!found.is_tombstone()).then(|| Bytes::from(found.value)));
            }
        }
        Ok(None)
    }

    /// The newest records of the keys within `bounds`, in order.
    pub(super) fn range(
        &self,
        bounds: Bounds<'_>,
        at: SeqNo,
    ) -> impl Iterator<Item = Pair> + use<> {
        let rows = self.0.iter().map(|row| Row::new(row, bounds)).collect();
        let mut items = Merger::new(rows);
        let mut last: Option<UserKey> = None;
        std::iter::from_fn(move || {
            loop {
                let item = match items.next()? {
                    Ok(item) => item,
                    Err(error) => return Some(Err(error)),
                };
                // Of one key the highest number comes first.
                if item.key.seqno >= at || last.as_ref() == Some(&item.key.user_key) {
                    continue;
                }
                last = Some(item.key.user_key.clone());
                if !item.is_tombstone() {
                    return Some(Ok((Bytes::from(item.key.user_key), Bytes::from(item.value))));
                }
            }
        })
    }
}

/// The records of one row, table by table.
struct Row {
    tables: std::vec::IntoIter<Table>,
    bounds: (Bound<UserKey>, Bound<UserKey>),
    now: Option<Box<dyn Iterator<Item = Item> + Send>>,
}

impl Row {
    fn new(row: &[Table], (from, to): Bounds<'_>) -> Self {
        let is_before = |table: &Table| match from {
            Bound::Included(from) => **table.metadata.key_range.max() < *from,
            Bound::Excluded(from) => **table.metadata.key_range.max() <= *from,
            Bound::Unbounded => false,
        };
        let is_not_behind = |table: &Table| match to {
            Bound::Included(to) => **table.metadata.key_range.min() <= *to,
            Bound::Excluded(to) => **table.metadata.key_range.min() < *to,
            Bound::Unbounded => true,
        };
        let first = row.partition_point(is_before);
        let end = row.partition_point(is_not_behind).max(first);
        let tables: Vec<_> = row[first..end].to_vec();
        let bounds = (from.map(UserKey::from), to.map(UserKey::from));
        Self { tables: tables.into_iter(), bounds, now: None }
    }
}

impl Iterator for Row {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.now.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let table = self.tables.next()?;
            self.now = Some(Box::new(table.range(self.bounds.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use lsm_tree::AbstractTree as _;
    use types::{Batch, Reader as _};

    use crate::engine::{DiskEngine, DiskOptions, Engine as _};

    #[test]
    fn reads_do_not_wait_while_a_tree_writes_which_tables_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let family = |key: &[u8]| key.starts_with(b"run").then_some(3);
        let options = DiskOptions { family, ..DiskOptions::default() };
        let engine = DiskEngine::open(directory.path(), options).unwrap();
        let mut batch = Batch::default();
        batch.put("rest", "1");
        batch.put("run", "2");
        engine.write(batch).unwrap();
        engine.persist().unwrap();
        // What it holds meanwhile; who waited for it here would wait for ever.
        let rest = engine.tables.rest.get_version_history_lock();
        let runs = engine.tables.runs.get_version_history_lock();
        assert_eq!(engine.get(b"rest").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(engine.get(b"run").unwrap().as_deref(), Some(&b"2"[..]));
        let mut found = 0;
        engine
            .scan(b"a", b"z", &mut |_, _| {
                found += 1;
                true
            })
            .unwrap();
        assert_eq!(found, 2);
        drop((rest, runs));
    }
}
