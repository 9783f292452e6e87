//! How a merge of tables is ended before it is done: by a filter that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_tree::compaction::filter::Context;
use lsm_tree::compaction::{CompactionFilter, Factory, ItemAccessor, Verdict};

/// Makes filters that keep everything until the flag is set.
pub(super) struct Stoppable(pub(super) Arc<AtomicBool>);

struct Filter(Arc<AtomicBool>);

impl Factory for Stoppable {
    fn name(&self) -> &'static str {
        "stoppable"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Filter(Arc::clone(&self.0)))
    }
}

impl CompactionFilter for Filter {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        match self.0.load(Ordering::Relaxed) {
            false => Ok(Verdict::Keep),
            true => Err(lsm_tree::Error::Unrecoverable),
        }
    }
}
