use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use env::{Disk, DiskFile, OpenMode};

use super::check::{Check, Records, Summary};
use super::chunk::{self, FRONT};
use super::error::{Damage, Error};
use super::writer::io;

/// How much a snapshot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
}

/// A snapshot in a file, whole and checked.
pub struct SnapshotFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    len: u64,
    summary: Summary,
}

impl SnapshotFile {
    /// Opens the file at `path` and checks all of it, chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Incomplete`] or [`Error::Io`].
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, Error> {
        let mut chunks = Chunks::open(&*disk, path)?;
        while chunks.next()?.is_some() {}
        let (len, summary) = (chunks.offset, chunks.check.finish()?);
        Ok(Self::checked(disk, path.to_owned(), len, summary))
    }

    pub(super) fn checked(disk: Arc<dyn Disk>, path: PathBuf, len: u64, summary: Summary) -> Self {
        Self { disk, path, len, summary }
    }

    /// What the sender said about the snapshot.
    #[must_use]
    pub fn header(&self) -> &Bytes {
        &self.summary.header
    }

    /// How much is in it.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.summary.totals
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.len
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, once it is installed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(self) -> Result<(), Error> {
        self.disk.remove(&self.path).map_err(io("removing", &self.path))?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        self.disk.sync_dir(directory).map_err(io("syncing", directory))
    }

    /// The first and the last key, if there are records.
    pub(super) fn keys(&self) -> Option<&(Bytes, Bytes)> {
        self.summary.keys.as_ref()
    }

    pub(super) fn chunks(&self) -> Result<Chunks, Error> {
        Chunks::open(&*self.disk, &self.path)
    }
}

/// Reads a file chunk by chunk and checks as it goes.
pub(super) struct Chunks {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    offset: u64,
    check: Check,
}

impl Chunks {
    fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let file = disk.open(path, OpenMode::Read).map_err(io("opening", path))?;
        let len = file.len().map_err(io("asking for its length", path))?;
        Ok(Self { path: path.to_owned(), file, len, offset: 0, check: Check::default() })
    }

    /// The records of the next chunk; nothing at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Records>, Error> {
        if self.offset == self.len {
            self.check.finish()?;
            return Ok(None);
        }
        let chunk = self.check.chunks();
        let damaged = |damage| Error::Damaged { chunk, damage };
        let mut front = [0; FRONT];
        self.read(&mut front)?;
        let len = chunk::total_len(&front).map_err(damaged)?;
        // Before memory is taken for what a damaged length may tell.
        if len as u64 > self.len - self.offset {
            return Err(damaged(Damage::Length));
        }
        let mut whole = BytesMut::zeroed(len);
        self.read(&mut whole)?;
        let records = self.check.accept(&whole.freeze())?;
        self.offset += len as u64;
        Ok(Some(records))
    }

    fn read(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_at(self.offset, buffer).map_err(io("reading", &self.path))?;
        if read == buffer.len() {
            Ok(())
        } else {
            Err(Error::Incomplete { chunks: self.check.chunks() })
        }
    }
}
