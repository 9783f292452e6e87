//! Installing, and being interrupted at every single write of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use storage::engine::{
    DiskEngine, DiskOptions, Engine, EngineStats, Error as EngineError, MemoryEngine, Snapshot,
};
use storage::snapshot::{Error, SnapshotFile, clean, pending_installs};
use types::{Batch, ReadFailure, Reader};

use super::bed::{END, Folder, HEADER, START, all, key, source};
use crate::engine::bed::records;

/// Stops, as a killed process does, before a certain write.
struct Dies<E> {
    inner: Arc<E>,
    writes_left: AtomicU32,
}

impl<E: Engine> Reader for Dies<E> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.inner.get(key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.inner.scan(start, end, visit)
    }
}

impl<E: Engine> Engine for Dies<E> {
    fn write(&self, batch: Batch) -> Result<(), EngineError> {
        let left = |left: u32| left.checked_sub(1);
        match self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => self.inner.write(batch),
            Err(_) => Err(EngineError::Latched("killed by the test".to_owned())),
        }
    }

    fn persist(&self) -> Result<(), EngineError> {
        self.inner.persist()
    }

    fn flush_soon(&self) {
        self.inner.flush_soon();
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.inner.snapshot()
    }

    fn durable(&self) -> Box<dyn Snapshot> {
        self.inner.durable()
    }

    /// In steps, so that the test can stop between them.
    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), EngineError> {
        let mut keys = records(&*self.inner, start, end).into_iter().map(|(key, _)| key);
        loop {
            let mut batch = Batch::default();
            for key in keys.by_ref().take(20) {
                batch.delete(key);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.write(batch)?;
        }
    }

    fn stats(&self) -> EngineStats {
        self.inner.stats()
    }
}

/// What the receiver had before: some keys of the snapshot with other values, some others.
fn fill(engine: &dyn Engine) {
    let mut batch = Batch::default();
    batch.put([0, 0, 0, 0, 0, 0, 0, 6, 1].to_vec(), "neighbour before");
    batch.put(END.to_vec(), "neighbour after");
    for number in (0..200).step_by(3) {
        batch.put(key(number), "old");
    }
    engine.write(batch).unwrap();
}

fn finish(file: &SnapshotFile) -> Batch {
    let mut batch = Batch::default();
    batch.put(key(u32::MAX), file.header().clone());
    batch
}

/// What the receiver must have after.
fn expected() -> Vec<(Bytes, Bytes)> {
    let sent = source(12, |number| vec![number as u8; 300_000]);
    let mut all = records(&sent, &START, &END);
    all.push((key(u32::MAX), HEADER.into()));
    all.insert(0, ([0, 0, 0, 0, 0, 0, 0, 6, 1].to_vec().into(), "neighbour before".into()));
    all.push((END.to_vec().into(), "neighbour after".into()));
    all
}

fn receive(folder: &Folder) -> SnapshotFile {
    folder.receive("s", &all(&source(12, |number| vec![number as u8; 300_000]), 65_536)).unwrap()
}

/// Interrupts the installation before its n-th write, for every n; `again` opens the engine anew.
fn interrupted_everywhere<E: Engine>(
    make: impl Fn(&Path) -> Arc<E>,
    again: impl Fn(Arc<E>, &Path) -> Arc<E>,
) {
    for writes in 0.. {
        let folder = Folder::new();
        let home = tempfile::tempdir().unwrap();
        let mut engine = make(home.path());
        fill(&*engine);
        let before = records(&*engine, b"", b"\xff");
        let file = receive(&folder);
        let dying = Dies { inner: Arc::clone(&engine), writes_left: AtomicU32::new(writes) };
        let done = file.install(&dying, &START, &END, finish(&file));
        drop(dying);
        if done.is_err() {
            // A crash leaves a prefix: this one ends with the last write. What was done is durable by
            // itself.
            engine.persist().unwrap();
        }
        engine = again(engine, home.path());
        let pending = pending_installs(&*engine).unwrap();
        clean(&*folder.disk(), &folder.path(), &pending).unwrap();
        if done.is_ok() {
            assert!(pending.is_empty() && writes > 6, "done after {writes} writes");
            assert_eq!(records(&*engine, b"", b"\xff"), expected());
            return;
        }
        if writes == 0 {
            assert!(pending.is_empty());
            assert_eq!(records(&*engine, b"", b"\xff"), before);
            continue;
        }
        let [again] = pending.as_slice() else { panic!("{pending:?}") };
        assert_eq!((&again.start[..], &again.end[..]), (&START[..], &END[..]));
        let file = folder.open(&folder.path().join(&again.file)).unwrap();
        file.install(&*engine, &again.start, &again.end, finish(&file)).unwrap();
        assert_eq!(records(&*engine, b"", b"\xff"), expected(), "after {writes} writes");
        assert!(pending_installs(&*engine).unwrap().is_empty());
    }
}

#[test]
fn an_installation_in_memory_is_done_again_after_any_write() {
    interrupted_everywhere(|_| Arc::new(MemoryEngine::new()), |engine, _| engine);
}

#[test]
fn an_installation_on_disk_is_done_again_after_any_write() {
    let open = |path: &Path| {
        let options = DiskOptions { memory_bytes: 8 << 20, ..DiskOptions::default() };
        Arc::new(DiskEngine::open(path, options).unwrap())
    };
    interrupted_everywhere(open, |engine, path| {
        drop(engine);
        open(path)
    });
}

#[test]
fn records_of_another_range_are_refused_before_anything_changes() {
    let folder = Folder::new();
    let file = receive(&folder);
    let engine = MemoryEngine::new();
    fill(&engine);
    let before = records(&engine, b"", b"\xff");
    let mut own = START;
    own[7] = 0;
    for (start, end) in [
        (START.to_vec(), key(5).to_vec()),
        (key(1).to_vec(), END.to_vec()),
        (END.to_vec(), START.to_vec()),
        (own.to_vec(), END.to_vec()),
        (Vec::new(), END.to_vec()),
    ] {
        let error = file.install(&engine, &start, &end, Batch::default()).unwrap_err();
        assert!(matches!(error, Error::Range), "{error}");
    }
    assert_eq!(records(&engine, b"", b"\xff"), before);
}

#[test]
fn a_damaged_marker_is_told() {
    let engine = MemoryEngine::new();
    for value in ["", "\u{1}", "\u{1}\u{ff}\u{ff}\u{ff}\u{ff}", "\u{2}\0\0\0\0"] {
        let mut batch = Batch::default();
        batch.put([[0; 8].as_slice(), &[1], &START].concat(), value.as_bytes().to_vec());
        engine.write(batch).unwrap();
        assert!(matches!(pending_installs(&engine), Err(Error::Marker)), "{value:?}");
    }
}
