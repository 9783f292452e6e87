use std::time::Duration;

use types::{Batch, Garbage, Op, Reader};

use super::Error;

/// Bytes in an engine key; tables store the length in 16 bits.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Bytes in an engine value. Far above what a request can carry (1.5 MiB), so that a record which
/// wraps one always fits.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A frozen, consistent view: no batch is ever seen in part, and later writes do not show.
///
/// It keeps the versions it sees from being collected, so it must not be held for ever; the engine on
/// disk also keeps its directory locked until the last one is dropped.
pub trait Snapshot: Reader + Send + Sync {}

impl<T: Reader + Send + Sync> Snapshot for T {}

/// Where applied state lives. One keyspace, ordered by key.
///
/// As a [`Reader`] the engine shows the newest records. One `get` or one `scan` is consistent in
/// itself; two calls may see different batches. Whoever needs more takes a [`Engine::snapshot`].
///
/// After a failed write, a failed sync or a bad checksum the engine is latched: every later call
/// fails with [`Error::Latched`] (reads with [`types::ReadFailure`]), because what is on the disk
/// is no longer known. The process has to be restarted.
pub trait Engine: Reader + Send + Sync + 'static {
    /// Makes all changes of `batch` or none. When it answers, readers see them; no crash is survived
    /// yet. May wait for the disk when memory is full.
    ///
    /// After a crash the engine holds a prefix of the batches that were written, never a gap, and in
    /// it everything up to the last [`Engine::persist`].
    ///
    /// # Errors
    /// [`Error::KeyLength`] and [`Error::ValueLength`] leave the engine unchanged and usable; all
    /// others latch it.
    fn write(&self, batch: Batch) -> Result<(), Error>;

    /// When it answers, everything written before the call survives a power cut. It waits for the
    /// disk, and what it makes durable early costs merging later: for rare occasions. The engine
    /// makes durable by itself what has become much.
    ///
    /// # Errors
    /// Any failure latches the engine; it must not be retried and acknowledged.
    fn persist(&self) -> Result<(), Error>;

    /// Begins to do what [`Engine::persist`] does and does not wait for it. Failures latch the engine.
    fn flush_soon(&self);

    /// Waits, `most` at most, while merging is behind with what was made durable. Who brings a lot and is
    /// in no hurry asks before: what comes faster than it can be merged makes all who write wait in the
    /// end.
    fn let_merge(&self, most: Duration) {
        let _ = most;
    }

    /// Waits, `most` at most, while records are on their way to the disk and half of the room for others is
    /// taken. Who brings a lot and is in no hurry asks between its batches, so that the other half is left to
    /// those who do not wait.
    fn let_flush(&self, most: Duration) {
        let _ = most;
    }

    /// A frozen view of what is written now. Cheap: nothing is copied.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// A frozen view of what a power cut would leave, or of a prefix of that. Cheap, too.
    fn durable(&self) -> Box<dyn Snapshot>;

    /// Removes the records with `start <= key < end` in batches of bounded size. Not atomic as a
    /// whole: after a crash some are gone and some are not.
    ///
    /// # Errors
    /// As [`Engine::write`], and when the records cannot be read.
    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error>;

    /// Removes the records of `garbage` with `start <= key < end`. It may remove at once and for good, so
    /// what is durable must not need them, and they must not be written again; they themselves are
    /// durable. Not atomic as a whole: after a crash those that are left have higher keys than those
    /// that are gone. Takes as long as it takes; others read and write meanwhile.
    ///
    /// Answers `false` if it was cut short: the engine comes to its end, or it is not wanted any more.
    ///
    /// # Errors
    /// As [`Engine::write`], and when tables cannot be read or written.
    fn sweep(&self, start: &[u8], end: &[u8], garbage: &dyn Garbage) -> Result<bool, Error> {
        remove(self, start, end, garbage)
    }

    /// Whether what was persisted outlives the process. Where it does not, the node makes the state
    /// again from its log at every start.
    fn is_durable(&self) -> bool {
        true
    }

    /// Figures for metrics and for tests.
    fn stats(&self) -> EngineStats;
}

/// What an engine holds now. All figures are in bytes unless the name says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EngineStats {
    /// Disk used by tables.
    pub disk_bytes: u64,
    /// Memory used by records not yet in a table, by those that stay in memory and by the block cache.
    /// Indexes and filters that stay in memory are not counted.
    pub memory_bytes: u64,
    /// The part of `memory_bytes` in records not yet in a table.
    pub overlay_bytes: u64,
    /// The part of `memory_bytes` in records that stay in memory and are in tables.
    pub resident_bytes: u64,
    /// The part of `memory_bytes` in the block cache.
    pub cache_bytes: u64,
    /// Table files.
    pub tables: u64,
    /// Whether a failure stopped the engine.
    pub latched: bool,
}

/// Checks the lengths that tables would panic on, before anything is written.
pub(super) fn check_lengths(batch: &Batch) -> Result<(), Error> {
    for op in &batch.ops {
        let (key, value_len) = match op {
            Op::Put(key, value) => (key, value.len()),
            Op::Delete(key) => (key, 0),
        };
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyLength { len: key.len() });
        }
        if value_len > VALUE_BYTES_MAX {
            return Err(Error::ValueLength { len: value_len });
        }
    }
    Ok(())
}

/// Keys collected per round of [`clear_range`].
const CLEAR_KEYS: usize = 1024;
/// How long a batch of what is cleared or put in the place of it leaves the engine to others.
pub(crate) const LET_FLUSH: Duration = Duration::from_secs(2);

/// [`Engine::sweep`] on top of `write`.
pub(super) fn remove<E: Engine + ?Sized>(
    engine: &E,
    start: &[u8],
    end: &[u8],
    garbage: &dyn Garbage,
) -> Result<bool, Error> {
    let mut from = start.to_vec();
    while garbage.is_wanted() {
        let mut batch = Batch::default();
        while batch.len() < CLEAR_KEYS
            && let Some(key) = garbage.next(&from).filter(|key| **key < *end)
        {
            from = [&key[..], &[0]].concat();
            batch.delete(key);
        }
        if batch.is_empty() {
            return Ok(true);
        }
        engine.write(batch)?;
    }
    Ok(false)
}

/// [`Engine::clear_range`] on top of `write`: a round reads some keys and deletes them.
///
/// Each round starts after the last key of the one before, so that it does not walk over the
/// tombstones that one left.
pub(super) fn clear_range(engine: &dyn Engine, start: &[u8], end: &[u8]) -> Result<(), Error> {
    let mut from = start.to_vec();
    loop {
        engine.let_flush(LET_FLUSH);
        let mut batch = Batch::default();
        let view = engine.snapshot();
        view.scan(&from, end, &mut |key, _| {
            batch.delete(key);
            batch.len() < CLEAR_KEYS
        })?;
        drop(view);
        let full = batch.len() == CLEAR_KEYS;
        if let Some(Op::Delete(last)) = batch.ops.last() {
            from = last.to_vec();
            from.push(0);
        }
        if !batch.is_empty() {
            engine.write(batch)?;
        }
        if !full {
            return Ok(());
        }
    }
}
