//! What the engine has to say in a merge of tables: how it is ended before it is done, and what is held while
//! it takes effect.

use std::cell::RefCell;
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_tree::compaction::filter::Context;
use lsm_tree::compaction::{CompactionFilter, Factory, ItemAccessor, Verdict};
use parking_lot::{ArcMutexGuard, Mutex, RawMutex};

thread_local! {
    /// What this thread, which merges, holds of a [`Change`].
    static HELD: RefCell<Option<ArcMutexGuard<RawMutex, ()>>> = const { RefCell::new(None) };
}

/// Held while versions of the tree of runs change, and until a flush is whole.
#[derive(Clone, Default)]
pub(super) struct Change(Arc<Mutex<()>>);

impl Change {
    pub(super) fn lock(&self) -> ArcMutexGuard<RawMutex, ()> {
        self.0.lock_arc()
    }

    /// Does something to the tree of runs, with this held, but for the time in which a merge reads and writes
    /// records: that can take half a minute, and flushes go on meanwhile.
    pub(super) fn merging<R>(&self, merge: impl FnOnce() -> R) -> R {
        self.hold();
        let done = merge();
        let_go();
        done
    }

    fn hold(&self) {
        let held = self.lock();
        HELD.set(Some(held));
    }
}

fn let_go() {
    drop(HELD.take());
}

/// Makes filters that keep everything until `stop` is set.
pub(super) struct Merges {
    pub(super) stop: Arc<AtomicBool>,
    /// For the tree of runs.
    pub(super) change: Option<Change>,
    /// Who holds it stops merges in their midst.
    #[cfg(test)]
    pub(super) gate: Arc<Mutex<()>>,
}

/// A lock is all that could be left in the middle of something, and it is let go of.
impl RefUnwindSafe for Merges {}

struct Filter {
    stop: Arc<AtomicBool>,
    change: Option<Change>,
    #[cfg(test)]
    gate: Arc<Mutex<()>>,
}

impl Factory for Merges {
    fn name(&self) -> &'static str {
        "merges"
    }

    /// What is to be merged is chosen; if nothing had to be, this is not called.
    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        if self.change.is_some() {
            let_go();
        }
        Box::new(Filter {
            stop: Arc::clone(&self.stop),
            change: self.change.clone(),
            #[cfg(test)]
            gate: Arc::clone(&self.gate),
        })
    }
}

impl CompactionFilter for Filter {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        #[cfg(test)]
        drop(self.gate.lock());
        match self.stop.load(Ordering::Relaxed) {
            false => Ok(Verdict::Keep),
            true => Err(lsm_tree::Error::Unrecoverable),
        }
    }

    /// All is written, and nobody knows of it yet.
    fn finish(self: Box<Self>) {
        if let Some(change) = self.change {
            change.hold();
        }
    }
}
