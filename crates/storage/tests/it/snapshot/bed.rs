use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, RealDisk};
use storage::engine::{Engine, MemoryEngine};
use storage::snapshot::{Error, SnapshotChunks, SnapshotFile, SnapshotWriter, export};
use tempfile::TempDir;
use types::Batch;

pub(crate) const START: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 7];
pub(crate) const END: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 8];
pub(crate) const HEADER: &str = "region 7, index 12, term 3";

pub(crate) fn key(number: u32) -> Bytes {
    Bytes::from([START.as_slice(), &number.to_be_bytes()].concat())
}

/// An engine with records before, in and after the range.
pub(crate) fn source(count: u32, value: impl Fn(u32) -> Vec<u8>) -> MemoryEngine {
    let engine = MemoryEngine::new();
    let mut batch = Batch::default();
    batch.put([0, 0, 0, 0, 0, 0, 0, 6, 9].to_vec(), "before");
    batch.put(END.to_vec(), "after");
    for number in 0..count {
        batch.put(key(number), value(number));
    }
    engine.write(batch).unwrap();
    engine
}

pub(crate) fn chunks(engine: &dyn Engine, chunk_bytes: usize) -> SnapshotChunks {
    export(engine.snapshot(), &START, &END, HEADER.into(), chunk_bytes)
}

pub(crate) fn all(engine: &dyn Engine, chunk_bytes: usize) -> Vec<Bytes> {
    chunks(engine, chunk_bytes).map(Result::unwrap).collect()
}

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("snapshots")
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }

    pub(crate) fn writer(&self, name: &str) -> SnapshotWriter {
        SnapshotWriter::create(self.disk(), &self.path(), name).unwrap()
    }

    pub(crate) fn receive(&self, name: &str, chunks: &[Bytes]) -> Result<SnapshotFile, Error> {
        let mut writer = self.writer(name);
        for chunk in chunks {
            writer.accept(chunk)?;
        }
        writer.finish()
    }

    pub(crate) fn open(&self, path: &Path) -> Result<SnapshotFile, Error> {
        SnapshotFile::open(self.disk(), path)
    }
}
