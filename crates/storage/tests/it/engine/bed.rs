//! Where an engine under test lives, and how it is opened again.

use std::path::Path;

use bytes::Bytes;
use storage::engine::{DiskEngine, DiskOptions, Engine, MemoryEngine};
use tempfile::TempDir;
use types::Reader;

pub(crate) trait Bed {
    type Engine: Engine;
    /// Opens the engine; what was persisted before is there if `KEEPS`.
    fn open(&self) -> Self::Engine;
    const KEEPS: bool;
}

pub(crate) struct Memory;

impl Bed for Memory {
    type Engine = MemoryEngine;
    fn open(&self) -> MemoryEngine {
        MemoryEngine::new()
    }
    const KEEPS: bool = false;
}

pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Half of the keys are in families of 65,536 neighbours, in no order.
fn family(key: &[u8]) -> Option<usize> {
    (key.len() > 2 && key[key.len() - 1].is_multiple_of(2)).then_some(2)
}

/// Little memory, so that flushes and compactions happen in small tests.
pub(crate) fn small() -> DiskOptions {
    DiskOptions { memory_bytes: 8 << 20, family, ..DiskOptions::default() }
}

impl Bed for Disk {
    type Engine = DiskEngine;
    fn open(&self) -> DiskEngine {
        DiskEngine::open(self.path(), small()).unwrap()
    }
    const KEEPS: bool = true;
}

/// Keys from here on stay in memory.
const RESIDENT_FROM: &[u8] = &[0, 0, 0, 30];

/// The engine on disk with records that stay in memory and others before them.
pub(crate) struct Resident(Disk);

impl Resident {
    pub(crate) fn new() -> Self {
        Self(Disk::new())
    }
}

impl Bed for Resident {
    type Engine = DiskEngine;
    fn open(&self) -> DiskEngine {
        let family = |key: &[u8]| family(key).filter(|_| key < RESIDENT_FROM);
        let options = DiskOptions { family, resident_from: Some(RESIDENT_FROM), ..small() };
        DiskEngine::open(self.0.path(), options).unwrap()
    }
    const KEEPS: bool = true;
}

pub(crate) fn records(reader: &dyn Reader, start: &[u8], end: &[u8]) -> Vec<(Bytes, Bytes)> {
    let mut all = Vec::new();
    reader
        .scan(start, end, &mut |key, value| {
            all.push((key, value));
            true
        })
        .unwrap();
    all
}

/// A small generator with a seed, so that a failure can be run again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
