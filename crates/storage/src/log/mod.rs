//! What a node asks of a log, whoever keeps it: [`crate::wal::Wal`] on the disk, [`MemoryLog`] in
//! memory for nodes that are thrown away, or one of a program's own. `tests/it/log` is what every
//! one of them has to do.

mod memory;

use std::sync::Arc;

use types::{Entry, Index, RegionId, Term};

pub use self::memory::MemoryLog;
use crate::wal::{Error, Reclaimed, RegionLog, RegionStatus, Stats, Wal, WalReader, Write};

/// The one writer of a node's log: entries and Raft's state of all its regions. One thread writes.
pub trait Log: Send + 'static {
    /// Takes `writes`, in order, and makes them readable. They are durable only after
    /// [`Self::sync`]; after a crash before that they are there all together or not at all, and not
    /// without what was appended before.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::TooLarge`]: nothing was taken, the log goes on. All others
    /// are final: every later call fails.
    fn append(&mut self, writes: &[Write]) -> Result<(), Error>;

    /// When it answers, all that was appended is durable. The node calls it once for everything that
    /// waits.
    ///
    /// # Errors
    /// Final: a failed sync is never tried again.
    fn sync(&mut self) -> Result<(), Error>;

    /// Called when nothing happens, and before the end: a chance to leave things in order.
    ///
    /// # Errors
    /// As for [`Self::sync`].
    fn settle(&mut self) -> Result<(), Error>;

    /// Called when nothing happens for a while: does a bounded piece of the work that later writes
    /// would have to do. Answers whether there is more.
    ///
    /// # Errors
    /// As for [`Self::sync`].
    fn prepare(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    /// Gets room back, a bounded piece of work at a time; called after every sync, and again after
    /// another one while the answer says `more`.
    ///
    /// # Errors
    /// As for [`Self::append`]; all are final.
    fn reclaim(&mut self) -> Result<Reclaimed, Error>;

    /// A handle for reading, from any thread, for as long as it likes.
    fn reader(&self) -> Arc<dyn LogReader>;

    /// Whether what was synced outlives the process. A node whose log does not must not be started
    /// again over its directory: it would have forgotten what it promised.
    fn is_durable(&self) -> bool;
}

/// Reads a log while its writer goes on.
pub trait LogReader: Send + Sync {
    /// Entries `[low, high)` of a region, at most `max_bytes` of payloads but at least one entry.
    /// Fewer may come than fit: ask again from where they end. Those just appended are there, too.
    ///
    /// # Errors
    /// [`Error::UnknownRegion`], [`Error::Compacted`] if `low` is gone, [`Error::Unavailable`] if
    /// `high` is more than one above the last; and whatever reading fails with.
    fn entries(
        &self,
        region: RegionId,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, Error>;

    /// The term at `index`: of an entry, or of the position right before the first one.
    ///
    /// # Errors
    /// As for [`Self::entries`].
    fn term(&self, region: RegionId, index: Index) -> Result<Term, Error>;

    /// What the log holds of a region.
    fn region(&self, region: RegionId) -> Option<RegionLog>;

    /// All regions, by number.
    fn regions(&self) -> Vec<RegionStatus>;

    /// What the log takes.
    fn stats(&self) -> Stats;
}

impl Log for Wal {
    fn append(&mut self, writes: &[Write]) -> Result<(), Error> {
        Wal::append(self, writes)
    }

    fn sync(&mut self) -> Result<(), Error> {
        Wal::sync(self)
    }

    fn settle(&mut self) -> Result<(), Error> {
        Wal::settle(self)
    }

    fn prepare(&mut self) -> Result<bool, Error> {
        Wal::prepare(self)
    }

    fn reclaim(&mut self) -> Result<Reclaimed, Error> {
        Wal::reclaim(self)
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::new(Wal::reader(self))
    }

    fn is_durable(&self) -> bool {
        true
    }
}

impl LogReader for WalReader {
    fn entries(
        &self,
        region: RegionId,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, Error> {
        WalReader::entries(self, region, low, high, max_bytes)
    }

    fn term(&self, region: RegionId, index: Index) -> Result<Term, Error> {
        WalReader::term(self, region, index)
    }

    fn region(&self, region: RegionId) -> Option<RegionLog> {
        WalReader::region(self, region)
    }

    fn regions(&self) -> Vec<RegionStatus> {
        WalReader::regions(self)
    }

    fn stats(&self) -> Stats {
        WalReader::stats(self)
    }
}
