use std::thread;
use std::time::Duration;

use ::fjall::{AbstractTree as _, OwnedWriteBatch, PersistMode, Slice};
use bytes::{Bytes, BytesMut};
use types::{Batch, Op};

use super::FjallEngine;
use crate::engine::contract::check_lengths;
use crate::engine::error::Error;

/// Memtables on their way to disk; a writer waits above it. `fjall` itself would wait at 4, in a loop
/// that never looks at failures: after one, the writer would hang instead of failing.
const SEALED_MAX: usize = 2;
/// Runs of level 0; for the same reason below the 20 at which `fjall` starts to wait.
const LEVEL_0_RUNS_MAX: usize = 16;
/// How often a waiting writer looks again.
const ROOM_CHECK: Duration = Duration::from_millis(1);

impl FjallEngine {
    pub(super) fn write_batch(&self, batch: &Batch) -> Result<(), Error> {
        self.latch.check()?;
        check_lengths(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        // Without a durability of its own such a batch stays in a buffer of this process and dies
        // with it.
        let mut out = OwnedWriteBatch::with_capacity(self.database.clone(), batch.len())
            .durability(Some(PersistMode::Buffer));
        let mut arena = Arena::for_batch(batch);
        for op in &batch.ops {
            match op {
                Op::Put(key, value) => {
                    let key = arena.copy(key);
                    out.insert(&self.keyspace, key, arena.copy(value));
                }
                Op::Delete(key) => out.remove(&self.keyspace, arena.copy(key)),
            }
        }
        let writer = self.writer.lock();
        self.wait_for_room()?;
        out.commit().map_err(|source| self.latch.failed("write", source))?;
        if self.keyspace.tree.active_memtable().size() >= self.memtable_bytes {
            self.rotate()?;
        }
        drop(writer);
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.latch.check()?;
        self.database
            .persist(PersistMode::SyncData)
            .map_err(|source| self.latch.failed("sync", source))
    }

    /// Closes the memtable and asks the worker to write it to a table.
    pub(super) fn rotate(&self) -> Result<(), Error> {
        match self.keyspace.rotate_memtable() {
            Ok(_) => Ok(()),
            Err(source) => Err(self.latch.failed("memtable rotation", source)),
        }
    }

    fn wait_for_room(&self) -> Result<(), Error> {
        let tree = &self.keyspace.tree;
        while tree.sealed_memtable_count() > SEALED_MAX || tree.l0_run_count() > LEVEL_0_RUNS_MAX {
            // The only public way to learn that the worker failed. It writes nothing: the batch
            // before this one was flushed.
            self.database
                .persist(PersistMode::Buffer)
                .map_err(|source| self.latch.failed("background work", source))?;
            thread::sleep(ROOM_CHECK);
        }
        Ok(())
    }
}

/// One allocation for a batch's keys and values.
///
/// A memtable keeps the buffers it is given. Those of a request are slices of whatever it arrived in,
/// so a memtable of small records could keep many times its own size alive.
struct Arena(Bytes);

impl Arena {
    fn for_batch(batch: &Batch) -> Self {
        let bytes = |op: &Op| match op {
            Op::Put(key, value) => key.len() + value.len(),
            Op::Delete(key) => key.len(),
        };
        let mut buffer = BytesMut::with_capacity(batch.ops.iter().map(bytes).sum());
        for op in &batch.ops {
            match op {
                Op::Put(key, value) => {
                    buffer.extend_from_slice(key);
                    buffer.extend_from_slice(value);
                }
                Op::Delete(key) => buffer.extend_from_slice(key),
            }
        }
        Self(buffer.freeze())
    }

    /// The copy of `original`, which must be asked for in the order of the batch.
    fn copy(&mut self, original: &Bytes) -> Slice {
        self.0.split_to(original.len()).into()
    }
}
