//! How a replica reads what it no longer keeps in memory.

use types::{Entry, Index, Term};

use crate::LogFailure;

/// Reads durable entries of one region's log. It is asked only for entries the driver reported
/// persisted, never for those still on their way to the disk.
pub trait LogReader: Send {
    /// The entries `low..high` in order, from `low` on without a gap; fewer when `max_bytes` of
    /// payload are reached, but at least one.
    ///
    /// # Errors
    /// When the log cannot be read or finds a bad checksum. The replica then stops for good.
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>, LogFailure>;

    /// The term of the entry at `index`. A log with an index in memory answers without reading.
    ///
    /// # Errors
    /// As [`LogReader::entries`].
    fn term(&self, index: Index) -> Result<Term, LogFailure> {
        match self.entries(index, index.next(), 0)?.first() {
            Some(entry) if entry.index == index => Ok(entry.term),
            other => Err(LogFailure(format!("asked for entry {index}, got {other:?}"))),
        }
    }
}
