//! A table goes to the disk while it is written, not all at once at its end: whoever syncs the raft
//! log meanwhile waits for a small piece at most.

use std::fs::File;
use std::path::PathBuf;

/// Bytes of records between two syncs.
const PIECE: usize = 1024 * 1024;

pub(super) struct Steady {
    table: PathBuf,
    bytes: usize,
}

impl Steady {
    /// For the file `table`, which may not be there yet.
    pub(super) fn new(table: PathBuf) -> Self {
        Self { table, bytes: 0 }
    }

    /// So many bytes more were given to the table's writer.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PIECE {
            self.bytes = 0;
            // Not what makes it durable: the writer syncs at the end, and learns of failures then.
            if let Ok(file) = File::open(&self.table) {
                drop(file.sync_data());
            }
        }
    }
}
