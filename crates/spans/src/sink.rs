//! Where spans go when they end, and wait for the exporter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::span::Span;

/// Spans that wait to be exported; one more is dropped. Some hundred bytes each.
pub(crate) const WAITING: usize = 4_096;

/// What became of spans so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Requests that are or were traced.
    pub traces: u64,
    /// Requests that were to be traced and were not, since there were too many in one second.
    pub limited: u64,
    /// Spans that a collector has taken.
    pub exported: u64,
    /// Spans that were dropped: the collector was away, slow, or did not take them.
    pub dropped: u64,
}

/// Spans that have ended.
pub(crate) struct Sink {
    waiting: Mutex<VecDeque<Span>>,
    pub(crate) news: Notify,
    ids: AtomicU64,
    pub(crate) traces: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Sink {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        // Without the system's randomness, ids of two nodes may meet in a trace: that is all.
        let seed = getrandom::u64().unwrap_or_default();
        Self {
            waiting: Mutex::default(),
            news: Notify::new(),
            ids: AtomicU64::new(seed),
            traces: zero(),
            limited: zero(),
            exported: zero(),
            dropped: zero(),
        }
    }

    /// Never waits: what does not fit is dropped and counted.
    pub(crate) fn put(&self, span: Span) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING {
            drop(waiting);
            self.drop_spans(1);
            return;
        }
        waiting.push_back(span);
        drop(waiting);
        self.news.notify_one();
    }

    pub(crate) fn take(&self, most: usize) -> Vec<Span> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    pub(crate) fn drop_spans(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A number like a random one, never 0 (SplitMix64: of one node, none comes twice).
    pub(crate) fn number(&self) -> u64 {
        let mut mixed = self.ids.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }

    pub(crate) fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            traces: get(&self.traces),
            limited: get(&self.limited),
            exported: get(&self.exported),
            dropped: get(&self.dropped),
        }
    }
}
