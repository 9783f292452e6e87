//! The two threads of an engine: one writes full overlays to tables, one merges tables.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use env::{Joined, Spawn as _, ThreadSpawn};

use super::overlays::Overlays;
use super::tables::Tables;
use crate::engine::latch::Latch;

/// Runs that overlap, above which a flush waits for a while: merging is behind, and is to have the disk
/// and the processor for itself.
pub(super) const OVERLAPPING_MANY: usize = 16;
const A_WHILE: Duration = Duration::from_millis(250);
/// Runs above which it waits until some are merged, so that reads do not have to look into ever more. All who
/// write wait with it: to merge a gigabyte can take ten seconds of a busy processor, and regions that come in
/// make a run each.
const OVERLAPPING_MAX: usize = 64;
/// How often a waiting flush looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(super) struct Work {
    pub(super) tables: Arc<Tables>,
    pub(super) overlays: Arc<Overlays>,
    pub(super) latch: Arc<Latch>,
}

impl Work {
    pub(super) fn start(&self) -> std::io::Result<Vec<Joined>> {
        let (flush, compact) = (self.clone(), self.clone());
        let flusher = ThreadSpawn.spawn("engine-flush", Box::new(move || flush.flush()))?;
        match ThreadSpawn.spawn("engine-compact", Box::new(move || compact.compact())) {
            Ok(compactor) => Ok(vec![flusher, compactor]),
            Err(error) => {
                self.overlays.stop();
                flusher();
                Err(error)
            }
        }
    }

    fn flush(&self) {
        let _guard = Guard(self);
        while let Some(overlay) = self.overlays.next_to_flush() {
            let mut waited = Duration::ZERO;
            while !self.tables.is_stopping() {
                let most = if waited < A_WHILE { OVERLAPPING_MANY } else { OVERLAPPING_MAX };
                if self.tables.overlapping() <= most {
                    break;
                }
                if self.latch.is_closed() {
                    return;
                }
                thread::sleep(LOOK_AGAIN);
                waited += LOOK_AGAIN;
            }
            if let Err(error) = self.tables.flush(&overlay) {
                self.latch.failed("flush", error);
                return;
            }
            self.overlays.flushed(self.tables.pin());
        }
    }

    fn compact(&self) {
        let _guard = Guard(self);
        while self.tables.wait_for_flush() {
            loop {
                let merged = self.tables.compact().and_then(|more| {
                    if more {
                        self.overlays.compacted(self.tables.pin());
                    }
                    // Also what a flush left behind.
                    self.tables.forget_merged().map(|()| more)
                });
                match merged {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        self.latch.failed("compaction", error);
                        return;
                    }
                }
            }
        }
    }
}

/// Sees to it that nobody waits for a thread that ended.
struct Guard<'work>(&'work Work);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.latch.broke("a worker thread panicked");
        }
        self.0.overlays.tell();
    }
}
