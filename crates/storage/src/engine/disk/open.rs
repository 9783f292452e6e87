use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use env::{Disk as _, RealDisk};
use parking_lot::Mutex;

use super::overlays::Overlays;
use super::pending;
use super::pin::Pin;
use super::record::Record;
use super::stop::{Change, Merges};
use super::tables::{Counters, Place, Tables, highest};
use super::worker::Work;
use super::{DiskEngine, DiskOptions};
use crate::engine::error::Error;
use crate::engine::latch::Latch;
use crate::engine::tree::Tree;

/// Locked by the process that has the directory open.
const LOCK: &str = "lock";
/// How long whoever has the lock may take to let it go: a process that ends, or a child that was begun while
/// this one had the engine open before and is not its own program yet.
const GOING: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The two trees.
const RUNS: &str = "runs";
const REST: &str = "rest";
/// Builds up to issue 3 kept a journal beside the tables; this is in their directories only.
const OLD_LAYOUT: &str = "keyspaces";

impl DiskEngine {
    /// Opens the engine in `directory`, and makes it if there is none. It holds what was persisted,
    /// and maybe some batches after it.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Format`], [`Error::Open`] or [`Error::Directory`].
    pub fn open(directory: &Path, options: DiskOptions) -> Result<Self, Error> {
        let refused = |source| Error::Directory { path: directory.to_owned(), source };
        let lock = prepare(directory).map_err(refused)?;
        let lock = lock.ok_or_else(|| Error::InUse { path: directory.to_owned() })?;
        if directory.join(OLD_LAYOUT).exists() {
            let found = "a journal beside its tables".to_owned();
            return Err(Error::Format { path: directory.to_owned(), found });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (counters, cache) = (Counters::default(), options.cache());
        #[cfg(test)]
        let gate = Arc::new(Mutex::default());
        let open = |path: &Path, change: Option<Change>| {
            let config = options.tree(path, &counters, &cache);
            let merges = Arc::new(Merges {
                stop: Arc::clone(&stop),
                change,
                #[cfg(test)]
                gate: Arc::clone(&gate),
            });
            let opened = config.with_compaction_filter_factory(Some(merges)).open();
            opened.map_err(|source| open_error(directory, source))
        };
        let change = Change::default();
        let runs_at = directory.join(RUNS);
        let rest = open(&directory.join(REST), None)?;
        pending::recover(directory, &runs_at, highest(&rest)).map_err(refused)?;
        let runs = open(&runs_at, Some(change.clone()))?;
        RealDisk.sync_dir(directory).map_err(refused)?;
        let place = Place { directory: directory.to_owned(), runs: runs_at, _lock: lock };
        let tables = Tables::new(
            (runs, rest),
            &options,
            counters.clone(),
            (Arc::clone(&stop), change),
            place,
        );
        let pin = tables.pin();
        let resident = resident(&pin, options.resident_from);
        let resident = resident.map_err(|source| open_error(directory, source))?;
        let overlays = Arc::new(Overlays::new(pin, resident, &options));
        let work = Work {
            tables: Arc::clone(&tables),
            overlays: Arc::clone(&overlays),
            latch: Arc::new(Latch::default()),
        };
        let workers = Mutex::new(work.start().map_err(refused)?);
        Ok(Self {
            tables,
            overlays,
            latch: work.latch,
            workers,
            #[cfg(test)]
            gate,
        })
    }
}

/// What is in tables and stays in memory.
fn resident(pin: &Pin, from: Option<&[u8]>) -> lsm_tree::Result<Tree<Record>> {
    let mut resident = Tree::default();
    if let Some(from) = from {
        for record in pin.range((Bound::Included(from), Bound::Unbounded)) {
            let (key, value) = record?;
            resident.put(Record::stored(&key, &value));
        }
    }
    Ok(resident)
}

/// Makes the directory and locks it; `None` if another process has it.
fn prepare(directory: &Path) -> io::Result<Option<File>> {
    let disk = RealDisk;
    disk.create_dir_all(directory)?;
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent)?;
    }
    let path = directory.join(LOCK);
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < GOING => thread::sleep(LOOK_AGAIN),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn open_error(directory: &Path, source: lsm_tree::Error) -> Error {
    let path = directory.to_owned();
    match source {
        lsm_tree::Error::InvalidVersion(version) => {
            Error::Format { path, found: format!("tables of version {version}") }
        }
        source => Error::Open { path, source },
    }
}
