use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, DiskFile, OpenMode};

use super::check::Check;
use super::error::Error;
use super::file::SnapshotFile;

/// Ending of a file that is still being written.
pub(super) const PARTIAL: &str = "partial";
/// Ending of a file that is whole and durable.
pub(super) const WHOLE: &str = "snapshot";
/// Characters in a snapshot's name.
const NAME_MAX: usize = 100;

/// Takes the chunks of a snapshot into a file and checks each as it comes.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    name: String,
    file: Box<dyn DiskFile>,
    offset: u64,
    check: Check,
}

impl SnapshotWriter {
    /// Begins the file `name` in `directory`, which is made if missing. A file of that name that was
    /// left unfinished is overwritten.
    ///
    /// # Errors
    /// [`Error::Name`] and [`Error::Io`].
    pub fn create(disk: Arc<dyn Disk>, directory: &Path, name: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
            return Err(Error::Name(name.to_owned()));
        }
        let path = directory.join(format!("{name}.{PARTIAL}"));
        disk.create_dir_all(directory).map_err(io("making its directory", directory))?;
        let file = disk.open(&path, OpenMode::Create).map_err(io("making it", &path))?;
        file.set_len(0).map_err(io("emptying it", &path))?;
        let (directory, name) = (directory.to_owned(), name.to_owned());
        Ok(Self { disk, directory, name, file, offset: 0, check: Check::default() })
    }

    /// Takes the next chunk. One that is refused changes nothing: the right one may follow.
    ///
    /// # Errors
    /// [`Error::Damaged`] tells what is wrong with the chunk. After [`Error::Io`] the writer must be
    /// given up.
    pub fn accept(&mut self, chunk: &Bytes) -> Result<(), Error> {
        let mut check = self.check.clone();
        check.accept(chunk)?;
        let path = self.partial();
        self.file.write_at(self.offset, chunk).map_err(io("writing", &path))?;
        self.offset += chunk.len() as u64;
        self.check = check;
        Ok(())
    }

    /// Whether the last chunk came.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.check.is_complete()
    }

    /// The number of the chunk that is due.
    #[must_use]
    pub fn next_chunk(&self) -> u32 {
        self.check.chunks()
    }

    /// Makes the file durable under its final name.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the trailer did not come; [`Error::Io`].
    pub fn finish(self) -> Result<SnapshotFile, Error> {
        let summary = self.check.finish()?;
        let partial = self.partial();
        self.file.sync_data().map_err(io("syncing", &partial))?;
        drop(self.file);
        let whole = self.directory.join(format!("{}.{WHOLE}", self.name));
        self.disk.rename(&partial, &whole).map_err(io("renaming", &partial))?;
        self.disk.sync_dir(&self.directory).map_err(io("syncing", &self.directory))?;
        Ok(SnapshotFile::checked(self.disk, whole, self.offset, summary))
    }

    /// Gives the snapshot up and removes what came of it.
    ///
    /// # Errors
    /// [`Error::Io`]; what is left goes at the next start.
    pub fn abort(self) -> Result<(), Error> {
        let partial = self.partial();
        drop(self.file);
        self.disk.remove(&partial).map_err(io("removing", &partial))
    }

    fn partial(&self) -> PathBuf {
        self.directory.join(format!("{}.{PARTIAL}", self.name))
    }
}

/// Puts an error of the disk in words.
pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
