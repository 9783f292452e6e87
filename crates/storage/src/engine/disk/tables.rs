//! Records on disk: sorted tables in two trees of `lsm-tree`, whose memtables are not used.
//!
//! One tree is for the families of records that are written in ascending order: their tables lie side
//! by side, and are never merged as long as that is so. The other is for the rest, which is written
//! over and over. If both were in one tree, each table would reach from the one kind to the other,
//! all would overlap, and each record would be merged again and again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_tree::{
    AbstractTree as _, AnyTree, InternalValue, SequenceNumberCounter, Table, ValueType,
};
use parking_lot::{Condvar, Mutex};

use super::options::{DiskOptions, Family};
use super::pending;
use super::pin::Pin;
use super::record::Record;
use super::rows::Rows;
use super::split::Split;
use super::steady::Steady;
use super::stop::Change;
use crate::engine::tree::Tree;

/// Rows of tables in the tree of runs that lie over one another, from which on they are merged.
const RUNS_OVERLAPPING: usize = 4;

/// The tables and who reads them.
pub(super) struct Tables {
    pub(super) runs: AnyTree,
    pub(super) rest: AnyTree,
    pub(super) family: Family,
    /// Where the next flush's number comes from, and what a reader that comes now may see is below;
    /// both shared with the trees.
    counters: Counters,
    /// Numbers that are read at, and by how many.
    pub(super) pins: Mutex<BTreeMap<u64, usize>>,
    /// What pins had that are gone. Who lets go of a table last removes its file, which takes its time: not
    /// who reads.
    pub(super) left: Mutex<Vec<Rows>>,
    pub(super) runs_change: Change,
    /// Held by who writes tables of the tree of runs anew.
    pub(super) merging_runs: Mutex<()>,
    /// Ends a merge that runs.
    stop: Arc<AtomicBool>,
    /// Whether there were flushes since the compactor looked last.
    flushed: Mutex<bool>,
    look: Condvar,
    pub(super) place: Place,
    /// What one flush writes, without compression.
    pub(super) flush_bytes: u64,
}

/// Where the trees are.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) runs: PathBuf,
    /// Keeps other processes out.
    pub(super) _lock: File,
}

#[derive(Clone, Default)]
pub(super) struct Counters {
    pub(super) written: SequenceNumberCounter,
    pub(super) visible: SequenceNumberCounter,
}

impl Tables {
    pub(super) fn new(
        (runs, rest): (AnyTree, AnyTree),
        options: &DiskOptions,
        counters: Counters,
        (stop, runs_change): (Arc<AtomicBool>, Change),
        place: Place,
    ) -> Arc<Self> {
        // They are not stored: they go on after the highest number in a table.
        let next = highest(&runs).max(highest(&rest)) + 1;
        counters.written.fetch_max(next);
        counters.visible.fetch_max(next);
        Arc::new(Self {
            runs,
            rest,
            family: options.family,
            counters,
            pins: Mutex::default(),
            left: Mutex::default(),
            runs_change,
            merging_runs: Mutex::default(),
            stop,
            // Maybe a merge was interrupted by the end of the process.
            flushed: Mutex::new(true),
            look: Condvar::new(),
            place,
            flush_bytes: options.overlay_bytes(),
        })
    }

    /// What can be read now, kept as it is until the pin is dropped.
    pub(super) fn pin(self: &Arc<Self>) -> Arc<Pin> {
        // Not in the middle of a flush.
        let change = self.runs_change.lock();
        let mut pins = self.pins.lock();
        let at = self.counters.visible.get();
        *pins.entry(at).or_default() += 1;
        drop(pins);
        let (runs, rest) = (Rows::of(&self.runs), Rows::of(&self.rest));
        drop(change);
        Arc::new(Pin { tables: Arc::clone(self), runs, rest, at })
    }

    /// Writes `records` to tables and makes those durable, all or none. A pin from before shows none of
    /// them, one from afterwards all.
    pub(super) fn flush(&self, records: &Tree<Record>) -> lsm_tree::Result<()> {
        let split = Split::new(records, self.family);
        let number = self.counters.written.next();
        let mut runs = Vec::new();
        for run in &split.runs {
            runs.extend(write(&self.runs, run, number)?);
        }
        let short = write(&self.runs, &split.short, number)?;
        let rest = write(&self.rest, &split.rest, number)?;
        let steps = [&runs, &short, &rest].into_iter().filter(|tables| !tables.is_empty()).count();
        let change = self.runs_change.lock();
        if steps > 1 {
            pending::begin(&self.place.directory, &self.place.runs, number)?;
        }
        for (tree, tables) in [(&self.runs, &runs), (&self.runs, &short), (&self.rest, &rest)] {
            if !tables.is_empty() {
                // With 0 no version goes: it may be the one to go back to.
                tree.register_tables(tables, None, None, &[], 0)?;
            }
        }
        if steps > 1 {
            pending::end(&self.place.directory)?;
        }
        drop(change);
        *self.flushed.lock() = true;
        self.look.notify_one();
        Ok(())
    }

    /// Lets go of what was merged, if nobody reads it any more. Else it is let go of later.
    pub(super) fn forget_merged(&self) -> lsm_tree::Result<()> {
        let change = self.runs_change.lock();
        let left = self.forget_versions();
        drop(change);
        left.map(drop)
    }

    /// Lets go of the versions that nobody reads any more. What it answers has the tables that only they had:
    /// their files are removed when it is dropped, which takes its time and is not for who holds a lock, or
    /// for the flush that others wait for.
    pub(super) fn forget_versions(&self) -> lsm_tree::Result<Vec<Rows>> {
        let left = std::mem::take(&mut *self.left.lock());
        let oldest = self.oldest_pin();
        for tree in [&self.runs, &self.rest] {
            tree.get_version_history_lock().maintenance(&tree.tree_config().path, oldest)?;
        }
        Ok(left)
    }

    /// Does one step of what makes tables fewer, if there is one. Answers whether there was.
    pub(super) fn compact(&self) -> lsm_tree::Result<bool> {
        let mut runs = false;
        if self.runs.l0_run_count() > RUNS_OVERLAPPING
            && let Some(merging) = self.merging_runs.try_lock()
        {
            runs = self.runs_change.merging(|| self.compact_tree(&self.runs))?;
            drop(merging);
        }
        Ok(self.compact_tree(&self.rest)? || runs)
    }

    fn compact_tree(&self, tree: &AnyTree) -> lsm_tree::Result<bool> {
        let before = tree.current_version().id();
        match tree.compact(DiskOptions::compaction(), self.oldest_pin()) {
            // Its input stays.
            Err(_) if self.is_stopping() => Ok(false),
            done => done.map(|()| tree.current_version().id() != before),
        }
    }

    /// For the compactor: waits for a flush. Answers `false` at the end.
    pub(super) fn wait_for_flush(&self) -> bool {
        let mut flushed = self.flushed.lock();
        while !*flushed && !self.is_stopping() {
            self.look.wait(&mut flushed);
        }
        *flushed = false;
        !self.is_stopping()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends what runs and what waits.
    pub(super) fn stop(&self) {
        let flushed = self.flushed.lock();
        self.stop.store(true, Ordering::Relaxed);
        self.look.notify_one();
        drop(flushed);
    }

    /// Rows of tables that lie over one another: a reader looks into each.
    pub(super) fn overlapping(&self) -> usize {
        self.runs.l0_run_count().max(self.rest.l0_run_count())
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.runs.disk_space() + self.rest.disk_space()
    }

    pub(super) fn cache_bytes(&self) -> u64 {
        // Both trees have the same.
        self.rest.tree_config().cache.size()
    }

    pub(super) fn count(&self) -> u64 {
        (self.runs.table_count() + self.rest.table_count()) as u64
    }

    pub(super) fn oldest_pin(&self) -> u64 {
        self.pins.lock().keys().next().copied().unwrap_or_default()
    }
}

/// The highest number in a tree's tables.
pub(super) fn highest(tree: &AnyTree) -> u64 {
    tree.get_highest_persisted_seqno().unwrap_or_default()
}

/// Writes `records`, which are in order, to tables that nobody knows yet.
fn write(tree: &AnyTree, records: &[&Record], number: u64) -> lsm_tree::Result<Vec<Table>> {
    let items = records.iter().map(|record| {
        let key = record.key_bytes();
        Ok(match record.value() {
            Some(value) => InternalValue::from_components(key, value, number, ValueType::Value),
            None => InternalValue::new_tombstone(key, number),
        })
    });
    write_items(tree, items)
}

/// The same for records of tables.
pub(super) fn write_items(
    tree: &AnyTree,
    items: impl Iterator<Item = lsm_tree::Result<InternalValue>>,
) -> lsm_tree::Result<Vec<Table>> {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return Ok(Vec::new());
    }
    // Another thread may take this number for a table of its own; then that one is synced early.
    let table = tree.tree_config().path.join("tables").join(tree.next_table_id().to_string());
    let mut steady = Steady::new(table);
    let items = items.inspect(|item| {
        if let Ok(item) = item {
            steady.wrote(item.key.user_key.len() + item.value.len());
        }
    });
    Ok(tree.flush_to_tables(items)?.map_or_else(Vec::new, |(tables, _)| tables))
}

#[cfg(test)]
mod tests {
    use lsm_tree::AbstractTree as _;
    use types::{Batch, Reader as _};

    use crate::engine::{DiskEngine, DiskOptions, Engine as _};

    /// So many flushes whose tables of runs lie over one another.
    fn overlapping(engine: &DiskEngine, flushes: std::ops::Range<u32>) {
        for at in flushes {
            let mut batch = Batch::default();
            for key in ["run-a", "run-m", "run-z"] {
                batch.put(format!("{key}{at:03}"), at.to_string());
            }
            batch.put("rest", at.to_string());
            engine.write(batch).unwrap();
            engine.persist().unwrap();
        }
    }

    #[test]
    fn flushes_go_on_while_runs_are_merged_and_a_start_finds_both() {
        let directory = tempfile::tempdir().unwrap();
        let family = |key: &[u8]| key.starts_with(b"run").then_some(3);
        let options = DiskOptions { family, ..DiskOptions::default() };
        let engine = DiskEngine::open(directory.path(), options).unwrap();
        let gate = std::sync::Arc::clone(&engine.gate);
        let stopped = gate.lock();
        // More of them than are left alone; who waited for the merge would wait for ever.
        overlapping(&engine, 0..12);
        assert!(engine.tables.runs.l0_run_count() > super::RUNS_OVERLAPPING);
        drop(stopped);
        let began = std::time::Instant::now();
        while engine.tables.runs.l0_run_count() > super::RUNS_OVERLAPPING {
            assert!(began.elapsed().as_secs() < 60, "nothing was merged");
            std::thread::yield_now();
        }
        overlapping(&engine, 12..14);
        drop(engine);
        let engine = DiskEngine::open(directory.path(), options).unwrap();
        let mut found = 0;
        engine
            .scan(b"run", b"rv", &mut |_, _| {
                found += 1;
                true
            })
            .unwrap();
        assert_eq!(found, 14 * 3);
        assert_eq!(engine.get(b"rest").unwrap().as_deref(), Some(&b"13"[..]));
    }
}
