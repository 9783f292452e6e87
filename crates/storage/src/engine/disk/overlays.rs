//! What is not in tables yet, newest first: one overlay that is written to, and those on their way
//! to disk.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock, RwLockWriteGuard};

use super::options::DiskOptions;
use super::pin::Pin;
use super::record::Record;
use crate::engine::error::Error;
use crate::engine::latch::Latch;
use crate::engine::tree::{Item as _, Tree};

/// Overlays on their way to disk; a writer that fills one more waits.
const FROZEN_MAX: usize = 1;
/// Records that go below it under one lock.
const AT_ONCE: usize = 64;
/// How long whoever waits may miss that the engine failed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Batches in the order in which they were written, as the layers they make.
pub(super) struct Overlays {
    layers: RwLock<Layers>,
    /// Tells that `layers` changed in a way that somebody waits for.
    changed: Condvar,
    /// Held between looking at `layers` and waiting for `changed`, so that no change is missed.
    waiting: Mutex<()>,
    /// Bytes of memory from which on an overlay goes to disk.
    overlay_bytes: u64,
    /// Records with keys from here on stay in memory when they went to disk.
    resident_from: Option<&'static [u8]>,
    /// All that tables have from there on, without what is gone. Taken with `layers` held or alone, so that
    /// who writes does not wait for what is put here.
    resident: RwLock<Tree<Record>>,
}

struct Layers {
    active: Tree<Record>,
    /// The oldest first.
    frozen: VecDeque<Tree<Record>>,
    /// Overlays frozen so far, and of those the ones in tables.
    frozen_count: u64,
    flushed_count: u64,
    /// The tables, as they were when the last flush ended.
    pin: Arc<Pin>,
    /// Somebody asked for a flush while there was no room for another overlay on its way.
    wanted: bool,
    stopping: bool,
}

impl Layers {
    fn freeze(&mut self) {
        if !self.active.is_empty() {
            self.frozen.push_back(mem::take(&mut self.active));
            self.frozen_count += 1;
        }
    }

    /// Moves on to the tables that `pin` shows, and answers the pin that is not needed. The workers come
    /// in any order: never back to tables without an overlay that is gone.
    fn advance(&mut self, pin: Arc<Pin>) -> Arc<Pin> {
        if pin.is_before(&self.pin) { pin } else { mem::replace(&mut self.pin, pin) }
    }

    fn freeze_if_wanted(&mut self) {
        if self.wanted && self.frozen.len() < FROZEN_MAX {
            self.freeze();
            self.wanted = false;
        }
    }
}

/// Where a key is to be looked for.
pub(super) enum Found {
    /// An overlay knows what is under the key.
    Here(Option<Bytes>),
    /// In the tables.
    Below(Arc<Pin>),
}

impl Overlays {
    /// `resident` is what `pin` shows from `resident_from` on.
    pub(super) fn new(pin: Arc<Pin>, resident: Tree<Record>, options: &DiskOptions) -> Self {
        let layers = Layers {
            active: Tree::default(),
            frozen: VecDeque::new(),
            frozen_count: 0,
            flushed_count: 0,
            pin,
            wanted: false,
            stopping: false,
        };
        Self {
            layers: RwLock::new(layers),
            changed: Condvar::new(),
            waiting: Mutex::new(()),
            overlay_bytes: options.overlay_bytes(),
            resident_from: options.resident_from,
            resident: RwLock::new(resident),
        }
    }

    /// Adds a batch. Waits while there is no room.
    ///
    /// # Errors
    /// [`Error::Latched`], when the engine fails meanwhile.
    pub(super) fn put(&self, records: Vec<Record>, latch: &Latch) -> Result<(), Error> {
        loop {
            let mut layers = self.layers.write();
            if layers.active.bytes() < self.overlay_bytes || layers.frozen.len() < FROZEN_MAX {
                for record in records {
                    layers.active.put(record);
                }
                let is_full = layers.active.bytes() >= self.overlay_bytes;
                if is_full && layers.frozen.len() < FROZEN_MAX {
                    layers.freeze();
                    drop(layers);
                    self.tell();
                }
                return Ok(());
            }
            drop(layers);
            latch.check()?;
            self.wait(|layers| layers.frozen.len() >= FROZEN_MAX);
        }
    }

    /// Whether half of the room is taken that there is until the overlay on its way has come.
    pub(super) fn is_half_full(&self) -> bool {
        let layers = self.layers.read();
        layers.frozen.len() >= FROZEN_MAX && layers.active.bytes() >= self.overlay_bytes / 2
    }

    pub(super) fn find(&self, key: &[u8]) -> Found {
        let layers = self.layers.read();
        let found = layers.active.get(key);
        match found.or_else(|| layers.frozen.iter().rev().find_map(|overlay| overlay.get(key))) {
            Some(record) => Found::Here(record.value()),
            None if self.is_resident(key) => {
                Found::Here(self.resident.read().get(key).and_then(Record::value))
            }
            None => Found::Below(Arc::clone(&layers.pin)),
        }
    }

    fn is_resident(&self, key: &[u8]) -> bool {
        self.resident_from.is_some_and(|from| key >= from)
    }

    /// From where on the layers have all records there are.
    pub(super) fn resident_from(&self) -> Option<&'static [u8]> {
        self.resident_from
    }

    /// All layers at one moment, the newest first, and the tables below them.
    pub(super) fn freeze_view(&self) -> (Vec<Tree<Record>>, Arc<Pin>) {
        let layers = self.layers.read();
        let above = std::iter::once(&layers.active).chain(layers.frozen.iter().rev());
        let all = above.cloned().chain([self.resident.read().clone()]);
        let overlays = all.filter(|overlay| !overlay.is_empty()).collect();
        (overlays, Arc::clone(&layers.pin))
    }

    /// The tables alone.
    pub(super) fn pin(&self) -> Arc<Pin> {
        Arc::clone(&self.layers.read().pin)
    }

    pub(super) fn bytes(&self) -> u64 {
        let layers = self.layers.read();
        layers.active.bytes() + layers.frozen.iter().map(Tree::bytes).sum::<u64>()
    }

    /// Of what stays in memory.
    pub(super) fn resident_bytes(&self) -> u64 {
        self.resident.read().bytes()
    }

    /// Sends what is here to disk, as soon as there is room on the way.
    pub(super) fn flush_soon(&self) {
        let mut layers = self.layers.write();
        layers.wanted = true;
        layers.freeze_if_wanted();
        drop(layers);
        self.tell();
    }

    /// Waits until all that was written before the call is in tables.
    ///
    /// # Errors
    /// [`Error::Latched`], when the engine fails meanwhile.
    pub(super) fn flush_all(&self, latch: &Latch) -> Result<(), Error> {
        let wanted = self.ask_for_flush();
        while self.layers.read().flushed_count < wanted {
            latch.check()?;
            self.wait(|layers| layers.flushed_count < wanted);
        }
        Ok(())
    }

    /// Answers which overlay has the last of what is here. All who ask while one is on its way share the
    /// next: a node that many regions leave at once would make as many tables of a few records each, and
    /// wait for every one of them.
    fn ask_for_flush(&self) -> u64 {
        let mut layers = self.layers.write();
        let is_new = !layers.active.is_empty();
        let last = layers.frozen_count + u64::from(is_new);
        layers.wanted |= is_new;
        layers.freeze_if_wanted();
        drop(layers);
        self.tell();
        last
    }

    /// For the worker: the oldest overlay that is on its way; waits for one. `None` when the engine
    /// is closed.
    pub(super) fn next_to_flush(&self) -> Option<Tree<Record>> {
        loop {
            let layers = self.layers.read();
            if layers.stopping {
                return None;
            }
            if let Some(oldest) = layers.frozen.front() {
                return Some(oldest.clone());
            }
            drop(layers);
            self.wait(|layers| layers.frozen.is_empty() && !layers.stopping);
        }
    }

    /// For the worker: the oldest overlay is in the tables that `pin` shows.
    pub(super) fn flushed(&self, pin: Arc<Pin>) {
        self.keep_resident();
        let mut layers = self.layers.write();
        let old = layers.advance(pin);
        let overlay = layers.frozen.pop_front();
        layers.flushed_count += 1;
        layers.freeze_if_wanted();
        drop(layers);
        self.tell();
        // Not under the lock: many small allocations are freed.
        drop((overlay, old));
    }

    /// Puts what is to stay in memory below the oldest overlay, which hides it until all of it is there.
    fn keep_resident(&self) {
        let Some(from) = self.resident_from else { return };
        let Some(overlay) = self.layers.read().frozen.front().cloned() else { return };
        let mut records = overlay.from(from);
        loop {
            let some: Vec<_> = records.by_ref().take(AT_ONCE).map(Record::alone).collect();
            if some.is_empty() {
                return;
            }
            let mut resident = self.resident.write();
            for record in some {
                match record.is_gone() {
                    true => resident.delete(record.key()),
                    false => resident.put(record),
                }
            }
            RwLockWriteGuard::unlock_fair(resident);
        }
    }

    /// For the worker: the same records are in other tables.
    pub(super) fn compacted(&self, pin: Arc<Pin>) {
        let old = self.layers.write().advance(pin);
        self.tell();
        drop(old);
    }

    /// Waits for something that whoever calls [`Self::tell`] may have changed, `most` at most.
    pub(super) fn wait_while(&self, most: Duration, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while is_so() {
            let left = most.saturating_sub(began.elapsed()).min(LOOK_AGAIN);
            if left.is_zero() || self.layers.read().stopping {
                return;
            }
            let mut waiting = self.waiting.lock();
            if is_so() {
                self.changed.wait_for(&mut waiting, left);
            }
        }
    }

    pub(super) fn stop(&self) {
        self.layers.write().stopping = true;
        self.tell();
    }

    /// Wakes all that wait; also for those who wait for something outside, as a failure.
    pub(super) fn tell(&self) {
        let waiting = self.waiting.lock();
        self.changed.notify_all();
        drop(waiting);
    }

    /// Waits for a change, for a bounded time, if `still` holds.
    fn wait(&self, still: impl Fn(&Layers) -> bool) {
        let mut waiting = self.waiting.lock();
        if still(&self.layers.read()) {
            self.changed.wait_for(&mut waiting, LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Batch;

    use super::{Latch, Overlays, Record, Tree};
    use crate::engine::{DiskEngine, DiskOptions};

    #[test]
    fn all_who_ask_while_an_overlay_is_on_its_way_share_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let engine = DiskEngine::open(directory.path(), DiskOptions::default()).unwrap();
        // With nobody who flushes.
        let options = DiskOptions::default();
        let overlays = Overlays::new(engine.overlays.pin(), Tree::default(), &options);
        let put = |key: &'static str| {
            let mut batch = Batch::default();
            batch.put(key, "value");
            overlays.put(Record::copied(&batch), &Latch::default()).unwrap();
        };
        put("a");
        assert_eq!(overlays.ask_for_flush(), 1);
        assert_eq!(overlays.ask_for_flush(), 1, "nothing came since");
        for key in ["b", "c", "d"] {
            put(key);
            assert_eq!(overlays.ask_for_flush(), 2);
        }
        let on_their_way = || overlays.layers.read().frozen.len();
        assert_eq!(on_their_way(), 1);
        overlays.flushed(engine.overlays.pin());
        assert_eq!(on_their_way(), 1, "what was asked for meanwhile goes next");
        overlays.flushed(engine.overlays.pin());
        assert_eq!((on_their_way(), overlays.layers.read().flushed_count), (0, 2));
    }
}
