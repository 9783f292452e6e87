//! The writer: append, sync, and the turn from one segment to the next.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use env::Disk;
use parking_lot::RwLock;
use types::RegionId;

use super::config::{WalConfig, Write};
use super::decode::{Found, FoundEntries};
use super::encode::{self, Item, Place};
use super::error::Error;
use super::followed;
use super::index::{Index, Origin};
use super::layout::{BATCH_LIMIT, BLOCK, ROW, SegmentHeader};
use super::plan::{Standing, plan};
use super::reader::WalReader;
use super::segment::{self, Segment};

/// Bytes of buffer kept from one append to the next.
const BUFFER_KEPT: usize = 8 << 20;
/// Bytes of zeros written ahead in a segment that is new.
const AHEAD: u64 = 1 << 20;

/// The one writer of a node's log. See the module for what it promises.
pub struct Wal {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) config: WalConfig,
    pub(super) shared: Arc<RwLock<Index>>,
    pub(super) active: Arc<Segment>,
    /// Where in the active segment the next batch goes.
    pub(super) end: u64,
    /// Up to where the active segment was ever written. Space that was only reserved costs each
    /// sync a change of metadata, which is several times dearer than the data.
    pub(super) touched: u64,
    pub(super) next_batch: u64,
    /// The last batch known durable.
    pub(super) synced: u64,
    /// Whether the last batch vouches for all before it and is durable itself.
    pub(super) settled: bool,
    pub(super) buffer: Vec<u8>,
    pub(super) latched: bool,
    pub(super) spares: VecDeque<PathBuf>,
    /// Where the emptying of the oldest segment goes on.
    pub(super) cursor: Option<RegionId>,
}

impl core::fmt::Debug for Wal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Wal({}, {:?}, batch {})", self.dir.display(), self.active, self.next_batch)
    }
}

impl Wal {
    /// Writes `writes` as one batch with one system call, and makes it readable. It is durable only
    /// after [`Self::sync`]; after a crash before that it is there as a whole or not at all, and
    /// not without all batches before it.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::TooLarge`]: nothing was written, the log goes on. All others
    /// are final: every later call answers [`Error::Latched`], and only [`Self::open`] tells what is
    /// on the disk.
    pub fn append(&mut self, writes: &[Write]) -> Result<(), Error> {
        self.check_latch()?;
        let items = {
            let index = self.shared.read();
            plan(|region| Standing::of(&index, region), writes)?
        };
        if items.is_empty() {
            return Ok(());
        }
        self.write(&items)
    }

    /// One `fdatasync`: all that was appended is durable. Does nothing if it is already.
    ///
    /// # Errors
    /// Final, as for [`Self::append`]: a failed sync is never tried again, for the kernel may have
    /// dropped the data and would answer Ok.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check_latch()?;
        if self.synced + 1 == self.next_batch {
            return Ok(());
        }
        let result = self.active.file.sync_data();
        self.latch(result.map_err(Error::io("sync", &self.active.path)))?;
        self.synced = self.next_batch - 1;
        Ok(())
    }

    /// Syncs, and leaves a batch that vouches for all before it, so that from here on any damage is
    /// told from a torn tail. For an orderly stop, and for quiet moments. Does nothing if nothing
    /// was appended since the last time.
    ///
    /// # Errors
    /// As for [`Self::sync`].
    pub fn settle(&mut self) -> Result<(), Error> {
        self.sync()?;
        if !self.settled {
            self.write(&[])?;
            self.sync()?;
            self.settled = true;
        }
        Ok(())
    }

    /// Makes the next piece of a segment that is new ready to be written to, so that appends need not;
    /// at most 1 MiB, and durable. For quiet moments. Answers whether there is more to do.
    ///
    /// # Errors
    /// As for [`Self::sync`].
    pub fn prepare(&mut self) -> Result<bool, Error> {
        self.sync()?;
        if self.touched < self.active.len {
            let result = self.touch(self.touched.max(self.end));
            self.latch(result)?;
            let result = self.active.file.sync_data();
            self.latch(result.map_err(Error::io("sync", &self.active.path)))?;
        }
        Ok(self.touched < self.active.len)
    }

    /// A handle for reading, from any thread, for as long as it likes.
    #[must_use]
    pub fn reader(&self) -> WalReader {
        WalReader { shared: Arc::clone(&self.shared) }
    }

    pub(super) fn check_latch(&self) -> Result<(), Error> {
        if self.latched { Err(Error::Latched) } else { Ok(()) }
    }

    /// Stops the log if `result` is an error.
    pub(super) fn latch<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.latched |= result.is_err();
        result
    }

    /// Writes one batch and takes it into the index.
    pub(super) fn write(&mut self, items: &[Item<'_>]) -> Result<(), Error> {
        let len = encode::batch_len(items);
        if len > BATCH_LIMIT {
            return Err(Error::TooLarge { bytes: len, limit: BATCH_LIMIT });
        }
        if self.end + len > self.active.len {
            let result = self.rotate(len);
            self.latch(result)?;
        }
        let place = Place {
            sequence: self.next_batch,
            mark: self.synced,
            segment: self.active.number,
            seed: self.active.seed,
        };
        let offsets = encode::batch(items, place, &mut self.buffer);
        let result = self.active.file.write_at(self.end, &self.buffer);
        self.latch(result.map_err(Error::io("write to", &self.active.path)))?;
        let result = self.touch_ahead(self.end + len);
        self.latch(result)?;
        let origin = Origin { segment: place.segment, offset: self.end, sequence: place.sequence };
        self.end += len;
        self.next_batch += 1;
        self.settled = false;
        self.take_in(items, &offsets, origin);
        if self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Once in a while, writes zeros behind the batch that ends at `end`.
    fn touch_ahead(&mut self, end: u64) -> Result<(), Error> {
        if end <= self.touched { Ok(()) } else { self.touch(end) }
    }

    /// Writes zeros from `from` on, where nothing was ever written.
    fn touch(&mut self, from: u64) -> Result<(), Error> {
        let len = (self.active.len - from).min(AHEAD);
        let result = self.active.file.write_zeros(from, usize::try_from(len).unwrap_or_default());
        result.map_err(Error::io("write to", &self.active.path))?;
        self.touched = from + len;
        Ok(())
    }

    fn take_in(&self, items: &[Item<'_>], offsets: &[u32], origin: Origin) {
        let mut index = self.shared.write();
        for (item, at) in items.iter().zip(offsets) {
            index.apply(&as_found(item, *at), origin);
        }
        if let Some(usage) = index.segments.get_mut(&origin.segment) {
            usage.end = self.end;
        }
    }

    /// Ends the active segment, durably, and begins the next with room for `len` bytes.
    fn rotate(&mut self, len: u64) -> Result<(), Error> {
        self.sync()?;
        let number = self.active.number.checked_add(1);
        assert!(number.is_some(), "{self:?} used up all segment numbers");
        let number = number.unwrap_or_default();
        let usual = self.config.segment_len();
        let (file_len, spare) = if BLOCK + len > usual {
            ((BLOCK + len).next_multiple_of(BLOCK), None)
        } else {
            (usual, self.spares.pop_front())
        };
        // Odd factor: different for every segment, whatever the salt.
        let salt = self.config.salt ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let header = SegmentHeader { number, first_batch: self.next_batch, len: file_len, salt };
        let used_before = spare.is_some();
        let next = Arc::new(segment::create(&*self.disk, &self.dir, header, spare)?);
        followed::note(&self.active)?;
        let mut index = self.shared.write();
        index.add_segment(Arc::clone(&next));
        index.spares = self.spares.len();
        drop(index);
        self.active = next;
        self.end = BLOCK;
        self.touched = if used_before { file_len } else { BLOCK };
        Ok(())
    }
}

fn as_found(item: &Item<'_>, at: u32) -> Found {
    match item {
        Item::State(state) => Found::State(*state),
        Item::Entries { region, entries, moved } => {
            let bytes: usize = entries.iter().map(|entry| ROW + entry.data.len()).sum();
            let first = entries.first().map(|entry| entry.index).unwrap_or_default();
            let last_term = entries.last().map(|entry| entry.term).unwrap_or_default();
            Found::Entries(FoundEntries {
                region: *region,
                first,
                count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
                last_term,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                at,
                moved: *moved,
            })
        }
        Item::Remove { region } => Found::Remove { region: *region },
    }
}
