use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use ::fjall::{AbstractTree as _, Database};
use env::{Disk as _, RealDisk};
use parking_lot::Mutex;

use super::{FjallEngine, FjallOptions};
use crate::engine::error::Error;
use crate::engine::latch::Latch;

/// The one keyspace. A second one, once idle, would pin journals for ever (fjall#288).
const KEYSPACE: &str = "records";
/// `fjall` refuses less than this.
const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;

impl FjallEngine {
    /// Opens the engine in `directory`, and makes it if there is none. The last journal (up to about
    /// 100 MB) is read again, so a restart takes part of a second.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Format`], [`Error::Open`] or [`Error::Directory`].
    pub fn open(directory: &Path, options: FjallOptions) -> Result<Self, Error> {
        prepare(directory)
            .map_err(|source| Error::Directory { path: directory.to_owned(), source })?;
        let database = Database::builder(directory)
            .cache_size(options.cache_bytes())
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
            .map_err(|source| open_error(directory, source))?;
        let keyspace = database
            .keyspace(KEYSPACE, || options.keyspace())
            .map_err(|source| open_error(directory, source))?;
        let engine = Self {
            database,
            keyspace,
            latch: Arc::new(Latch::default()),
            memtable_bytes: options.memtable_bytes(),
            writer: Mutex::new(()),
        };
        // Recovery puts all unflushed records in one memtable, whatever its size.
        if engine.keyspace.tree.active_memtable().size() >= engine.memtable_bytes {
            engine.rotate()?;
        }
        Ok(engine)
    }
}

/// Makes the directory and sees to what a crash during its very first opening left behind.
///
/// `fjall` writes its file `version` last and then cannot open a directory that has a journal but no
/// such file. Without the file there can be no record, as the keyspaces are made after it; this is
/// checked again by looking for keyspaces.
fn prepare(directory: &Path) -> io::Result<()> {
    let disk = RealDisk;
    disk.create_dir_all(directory)?;
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent)?;
    }
    let marker = directory.join("version");
    let unfinished = match fs::metadata(&marker) {
        Ok(metadata) => metadata.len() == 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    if unfinished && disk.list(&directory.join("keyspaces"))?.is_empty() {
        disk.remove(&directory.join("0.jnl"))?;
        disk.remove(&marker)?;
    }
    Ok(())
}

fn open_error(directory: &Path, source: ::fjall::Error) -> Error {
    let path = directory.to_owned();
    match source {
        ::fjall::Error::Locked => Error::InUse { path },
        ::fjall::Error::InvalidVersion(_) => Error::Format { path, found: found(directory) },
        ::fjall::Error::Storage(::fjall::LsmError::InvalidVersion(version)) => {
            Error::Format { path, found: format!("tables of version {version}") }
        }
        source => Error::Open { path, source },
    }
}

/// What the directory's file `version` says, for the error message.
fn found(directory: &Path) -> String {
    let mut head = [0_u8; 4];
    let read = fs::File::open(directory.join("version")).and_then(|mut f| f.read_exact(&mut head));
    match (read, head) {
        (Ok(()), [b'F', b'J', b'L', version]) => format!("format version {version}"),
        _ => "no readable format version".to_owned(),
    }
}
