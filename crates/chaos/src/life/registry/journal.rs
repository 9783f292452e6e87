//! What changed, who was told when, and how long that took.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::ledger::Ledger;

/// Violations that are written out.
const SHOWN: u64 = 100;

/// A change whose revision is known for certain.
struct Change {
    service: usize,
    revision: i64,
    /// When its client knew of it.
    at: Instant,
}

/// How somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Blocking,
    /// The same, from server to server.
    Roaming,
    Follower,
}

/// One who is told of a service, and with which index when.
pub(super) struct Listener {
    way: Way,
    pub(super) service: usize,
    pub(super) name: String,
    told: Mutex<Vec<(i64, Instant)>>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) beats: AtomicU64,
    pub(super) refused_beats: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) pushes: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) without_leader: AtomicU64,
    pub(super) came: AtomicU64,
    pub(super) went: AtomicU64,
    pub(super) silent: AtomicU64,
    /// Lists in which somebody whose beats were late was told to be silent or gone.
    pub(super) late: AtomicU64,
    pub(super) wrong: AtomicU64,
}

pub(super) struct Journal {
    pub(super) ledger: Arc<Ledger>,
    pub(super) counts: Counts,
    changes: Mutex<Vec<Change>>,
    listeners: Mutex<Vec<Arc<Listener>>>,
    /// Each phase and when it ended.
    phases: Mutex<Vec<(String, Instant)>>,
}

impl Listener {
    pub(super) fn told(&self, index: i64) {
        let mut told = self.told.lock();
        if told.last().is_none_or(|(last, _)| *last < index) {
            told.push((index, Instant::now()));
        }
    }

    pub(super) fn index(&self) -> i64 {
        self.told.lock().last().map_or(0, |(index, _)| *index)
    }

    /// How long after `change` it was told of it; `None` where it was not, or listened only then.
    fn lag(&self, change: &Change) -> Option<Duration> {
        let told = self.told.lock();
        let first = told.partition_point(|(index, _)| *index < change.revision);
        let (_, at) = told.get(first).filter(|_| first > 0)?;
        Some(at.saturating_duration_since(change.at))
    }
}

impl Counts {
    pub(super) fn add(count: &AtomicU64, more: usize) {
        count.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(super) fn get(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

impl Journal {
    pub(super) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            counts: Counts::default(),
            changes: Mutex::default(),
            listeners: Mutex::default(),
            phases: Mutex::default(),
        }
    }

    pub(super) fn listener(&self, way: Way, service: usize, name: String) -> Arc<Listener> {
        let listener = Arc::new(Listener { way, service, name, told: Mutex::default() });
        self.listeners.lock().push(Arc::clone(&listener));
        listener
    }

    pub(super) fn changed(&self, service: usize, revision: i64) {
        self.changes.lock().push(Change { service, revision, at: Instant::now() });
    }

    /// The newest revision of a service of which its client knows.
    pub(super) fn newest(&self, service: usize) -> i64 {
        let changes = self.changes.lock();
        let own = changes.iter().rev().find(|change| change.service == service);
        own.map_or(0, |change| change.revision)
    }

    pub(super) fn wrong(&self, text: &str) {
        if self.counts.wrong.fetch_add(1, Ordering::Relaxed) < SHOWN {
            let at = self.ledger.now();
            self.ledger.violation(format!("registry: {text}, {at:.1?}"));
        }
    }

    pub(super) fn phase(&self, name: &str) {
        self.phases.lock().push((name.to_owned(), Instant::now()));
    }

    /// Who has not been told of what changed last.
    pub(super) fn behind(&self) -> Vec<String> {
        let listeners = self.listeners.lock().clone();
        let behind = listeners.iter().filter(|it| it.index() < self.newest(it.service));
        behind.map(|it| format!("{} knows index {} only", it.name, it.index())).collect()
    }

    /// Of each phase: how long changes took until watchers were told.
    pub(super) fn lags(&self) -> String {
        let (changes, listeners) = (self.changes.lock(), self.listeners.lock());
        let mut text = String::new();
        let mut from: Option<Instant> = None;
        for (phase, until) in &*self.phases.lock() {
            let own = changes
                .iter()
                .filter(|change| change.at <= *until && from.is_none_or(|from| change.at > from));
            let own: Vec<&Change> = own.collect();
            let _ = writeln!(text, "  {phase}: {} changes", own.len());
            for way in [Way::Blocking, Way::Follower] {
                let mut lags: Vec<Duration> = own
                    .iter()
                    .flat_map(|change| {
                        let told = listeners
                            .iter()
                            .filter(|it| it.way == way && it.service == change.service);
                        told.filter_map(|it| it.lag(change))
                    })
                    .collect();
                lags.sort_unstable();
                let at = |of_hundred: usize| {
                    let place = (lags.len() * of_hundred / 100).min(lags.len().saturating_sub(1));
                    lags.get(place).copied().unwrap_or_default()
                };
                let _ = writeln!(
                    text,
                    "    {way:?}: told {} times, after p50 {:.1?}, p99 {:.1?}, at most {:.1?}",
                    lags.len(),
                    at(50),
                    at(99),
                    at(100)
                );
            }
            from = Some(*until);
        }
        text
    }
}
