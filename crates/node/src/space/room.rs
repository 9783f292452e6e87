use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use env::{Disk, DiskSpace};
use types::{Code, Fault};

/// Room for the engine's files and the small ones, beside the log's, in the reserve nobody chose.
const ENGINE_ROOM: u64 = 128 << 20;

/// The room on the file system of the data directory, in bytes, as last looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Room {
    /// What may still be written; 0 until first looked at.
    pub free: u64,
    /// All there is.
    pub total: u64,
    /// Below so many free bytes nothing is taken any more that needs room.
    pub reserve: u64,
    /// Whether that is so now.
    pub read_only: bool,
}

/// The memory of the keyspaces that are kept there, in bytes, as last looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRoom {
    /// What they have.
    pub used: u64,
    /// Above it they take nothing any more that needs room.
    pub limit: u64,
}

/// Whether there is room for writes, on the disk and in memory for the keyspaces that are kept there. On the
/// disk it is lost below the reserve, and won back at a quarter more, so that it does not come and go with
/// every file.
pub struct Space {
    path: PathBuf,
    /// As configured; `None` goes by the sizes of log segments and disk.
    reserve: Option<u64>,
    segment_bytes: u64,
    free: AtomicU64,
    total: AtomicU64,
    read_only: AtomicBool,
    /// What keyspaces in memory may have and what they have, in bytes.
    memory_limit: u64,
    memory: AtomicU64,
    memory_full: AtomicBool,
}

impl Space {
    /// The room around `path`. Without a `reserve` it is two log segments and 128 MiB, but not more
    /// than a quarter of the disk.
    #[must_use]
    pub fn new(path: PathBuf, reserve: Option<u64>, segment_bytes: u64, memory_limit: u64) -> Self {
        Self {
            path,
            reserve,
            segment_bytes,
            free: AtomicU64::new(0),
            total: AtomicU64::new(0),
            read_only: AtomicBool::new(false),
            memory_limit,
            memory: AtomicU64::new(0),
            memory_full: AtomicBool::new(false),
        }
    }

    /// Where the room is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reserve_of(&self, total: u64) -> u64 {
        let own = || self.segment_bytes.saturating_mul(2).saturating_add(ENGINE_ROOM);
        self.reserve.unwrap_or_else(|| own().min(total / 4))
    }

    /// Looks at the disk; answers the room, and whether [`Room::read_only`] changed by it.
    ///
    /// # Errors
    /// As the operating system says; what was known stays.
    pub fn look(&self, disk: &dyn Disk) -> std::io::Result<(Room, bool)> {
        let DiskSpace { free, total } = disk.space(&self.path)?;
        let reserve = self.reserve_of(total);
        let was = self.read_only.load(Ordering::Relaxed);
        let needed = if was { reserve.saturating_add(reserve / 4) } else { reserve };
        let read_only = free < needed;
        self.free.store(free, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.read_only.store(read_only, Ordering::Relaxed);
        Ok((Room { free, total, reserve, read_only }, was != read_only))
    }

    /// What the last look found.
    #[must_use]
    pub fn room(&self) -> Room {
        let total = self.total.load(Ordering::Relaxed);
        Room {
            free: self.free.load(Ordering::Relaxed),
            total,
            reserve: self.reserve_of(total),
            read_only: self.is_read_only(),
        }
    }

    /// Notes what keyspaces in memory have there, in bytes; answers whether [`Self::is_memory_full`] changed
    /// by it. They are full above their limit, and are not any more below seven eighths of it.
    pub fn look_at_memory(&self, bytes: u64) -> bool {
        let was = self.is_memory_full();
        let limit = if was { self.memory_limit - self.memory_limit / 8 } else { self.memory_limit };
        let is_full = bytes > limit;
        self.memory.store(bytes, Ordering::Relaxed);
        self.memory_full.store(is_full, Ordering::Relaxed);
        was != is_full
    }

    /// What the last look found.
    #[must_use]
    pub fn memory_room(&self) -> MemoryRoom {
        MemoryRoom { used: self.memory.load(Ordering::Relaxed), limit: self.memory_limit }
    }

    /// Whether keyspaces in memory take nothing now that needs room.
    #[must_use]
    pub fn is_memory_full(&self) -> bool {
        self.memory_full.load(Ordering::Relaxed)
    }

    /// Why a write to a keyspace in memory is refused.
    #[must_use]
    pub fn memory_refusal(&self) -> Fault {
        Fault::new(Code::NoSpace, self.memory_shortage())
    }

    /// What keyspaces in memory have of theirs, and what to do about it.
    pub(super) fn memory_shortage(&self) -> String {
        let MemoryRoom { used, limit } = self.memory_room();
        format!(
            "the keyspaces in memory have {} MiB here of the {} MiB that --memory-keyspaces-mib gives them: \
             delete keys, give them more, or add servers; writes are taken again below {} MiB",
            used >> 20,
            limit >> 20,
            (limit - limit / 8) >> 20,
        )
    }

    /// Whether nothing that needs room is taken now.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// Why a write is refused.
    #[must_use]
    pub fn refusal(&self) -> Fault {
        Fault::new(Code::NoSpace, self.shortage())
    }

    /// What is short, and what to do about it.
    pub(super) fn shortage(&self) -> String {
        let room = self.room();
        format!(
            "the disk of {} has {} MiB free, and {} MiB are kept back: free or add space there, or \
             delete keys and compact; writes are taken again from {} MiB on",
            self.path.display(),
            room.free >> 20,
            room.reserve >> 20,
            room.reserve.saturating_add(room.reserve / 4) >> 20,
        )
    }
}
