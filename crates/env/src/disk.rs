//! Files.

use std::io;
use std::path::{Path, PathBuf};

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// It must exist; read only.
    Read,
    /// It must exist; read and write.
    ReadWrite,
    /// It is made if missing; read and write.
    Create,
    /// It must not exist yet; read and write.
    CreateNew,
}

/// An open file; positions are given with every call, so one handle serves many threads.
pub trait DiskFile: Send + Sync {
    /// Fills `buffer` from `offset`; fewer bytes than asked means the end of the file was met.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// As the operating system says; how much was written is then unknown.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Writes `len` zeros at `offset`, where later writes are to find their space ready.
    ///
    /// # Errors
    /// As for [`DiskFile::write_at`].
    fn write_zeros(&self, offset: u64, len: usize) -> io::Result<()> {
        self.write_at(offset, &vec![0; len])
    }
    /// `fdatasync`: when it answers Ok, all written data survives a power cut.
    ///
    /// # Errors
    /// A failure is final for the file (the kernel may have dropped the pages): never retry and
    /// acknowledge.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves space so that `[0, len)` can be written without changing metadata.
    ///
    /// # Errors
    /// As the operating system says (`ENOSPC` among others).
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The file's length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    ///
    /// # Errors
    /// As the operating system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// How much room a file system has, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskSpace {
    /// What this process may still write.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// A file system.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The files and directories in `path`, sorted by name; empty if `path` does not exist.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Renames a file, over an existing one if there is one.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; no error if it does not exist.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// `fsync` of a directory: its renames, creations and removals survive a power cut.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether the file or directory exists.
    fn exists(&self, path: &Path) -> bool;
    /// The room on the file system that holds `path`, which exists.
    ///
    /// # Errors
    /// As the operating system says.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;
}
