use std::fs::{File, OpenOptions};
use std::path::Path;

use env::{Disk as _, RealDisk};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::Error;

/// Keeps every other process off a data directory for as long as it lives; the system frees it when
/// the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks the data directory `dir`, making it if it is missing.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it; [`Error::Io`].
    pub fn acquire(dir: &Path) -> Result<Self, Error> {
        RealDisk.create_dir_all(dir).map_err(Error::io(dir))?;
        let path = dir.join("LOCK");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::Locked { dir: dir.to_owned() }),
            Err(error) => Err(Error::Io { path, source: error.into() }),
        }
    }
}
