//! One measurement: what all its connections share. They run on one thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::histogram::Histogram;
use super::http2::{Status, code_name};
use super::timer::Timer;

/// Kinds of errors that are told apart; the rest is one.
const KINDS: usize = 32;
/// Characters of a server's words that tell kinds apart.
const WORDS: usize = 120;

/// How much is asked, and how long.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) connections: usize,
    /// Operations a second; `None` for as fast as answers come.
    pub(super) rate: Option<f64>,
    /// Operations; `None` for as many as the time has room for.
    pub(super) total: Option<u64>,
    pub(super) timeout: Duration,
    pub(super) seed: u64,
    /// What is asked, if not etcd's keyspace.
    pub(super) keyspace: Option<String>,
}

/// When the measured time begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    window: Cell<Option<Window>>,
    issued: Cell<u64>,
    /// Connections whose workload is set up.
    set_up: Cell<usize>,
    pub(super) stats: RefCell<Stats>,
    /// Wakes the connections, and the one who waits for them.
    pub(super) wakes: Vec<Arc<Notify>>,
    pub(super) changed: Notify,
    pub(super) timer: Timer,
    /// What cannot be gone on with.
    fatal: RefCell<Option<Status>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats {
    /// Latencies by kind of operation, of those measured.
    pub(super) latencies: Vec<(&'static str, Histogram)>,
    /// Operations answered within the measured time.
    pub(super) answered: u64,
    /// Operations that were done in the whole run, warm-up included.
    pub(super) acknowledged: u64,
    /// Errors of the whole run by kind: how often, and gRPC's code.
    pub(super) errors: BTreeMap<String, (u64, u32)>,
    /// Other things that are counted within the measured time.
    pub(super) notes: BTreeMap<&'static str, u64>,
}

impl Stats {
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().map(|(count, _)| count).sum()
    }
}

impl Run {
    pub(super) fn new(
        plan: Plan,
        kinds: &[&'static str],
        connections: usize,
    ) -> io::Result<Rc<Self>> {
        let wakes: Vec<Arc<Notify>> = (0..connections).map(|_| Arc::default()).collect();
        let timer = Timer::new(wakes.clone())?;
        let latencies = kinds.iter().map(|kind| (*kind, Histogram::default())).collect();
        Ok(Rc::new(Self {
            plan,
            window: Cell::new(None),
            issued: Cell::new(0),
            set_up: Cell::new(0),
            stats: RefCell::new(Stats { latencies, ..Stats::default() }),
            wakes,
            changed: Notify::new(),
            timer,
            fatal: RefCell::new(None),
        }))
    }

    /// Begins; connections only set themselves up before.
    pub(super) fn start(&self, window: Window) {
        self.window.set(Some(window));
        self.wakes.iter().for_each(|wake| wake.notify_one());
    }

    /// Ends what began, at `now`; what is under way is waited for.
    pub(super) fn stop(&self, now: Instant) {
        if let Some(window) = self.window.get() {
            self.window.set(Some(Window { end: window.end.min(now), ..window }));
        }
        self.wakes.iter().for_each(|wake| wake.notify_one());
    }

    pub(super) fn window(&self) -> Option<Window> {
        self.window.get()
    }

    /// A connection is ready to begin.
    pub(super) fn is_set_up(&self) {
        self.set_up.set(self.set_up.get() + 1);
        self.changed.notify_one();
    }

    pub(super) fn all_set_up(&self) -> bool {
        self.set_up.get() >= self.wakes.len()
    }

    /// Nothing can come of this run.
    pub(super) fn give_up(&self, status: Status) {
        self.fatal.borrow_mut().get_or_insert(status);
        self.stop(Instant::now());
        self.changed.notify_one();
    }

    pub(super) fn fatal(&self) -> Option<Status> {
        self.fatal.borrow().clone()
    }

    /// Whether an operation that is due at `due` is still to be begun; if so it counts.
    pub(super) fn issue(&self, due: Instant) -> bool {
        let issued = self.issued.get();
        let wanted = self.plan.total.is_none_or(|total| issued < total);
        let begins = wanted && self.window.get().is_some_and(|window| due < window.end);
        if begins {
            self.issued.set(issued + 1);
        }
        begins
    }

    /// Whether nothing new will begin.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let all = self.plan.total.is_some_and(|total| self.issued.get() >= total);
        all || self.fatal.borrow().is_some() || self.window.get().is_some_and(|it| now >= it.end)
    }

    /// An operation of kind `kind` that counts from `since` was answered.
    pub(super) fn done(&self, kind: usize, since: Instant, now: Instant) {
        self.done_together(kind, 1, since, now);
    }

    /// So many operations that went together were answered together.
    pub(super) fn done_together(&self, kind: usize, many: u64, since: Instant, now: Instant) {
        self.stats.borrow_mut().acknowledged += many;
        self.measure(kind, since, now, many);
    }

    /// Adds a latency to those of `kind`, and as many as it `counts` to what was answered.
    pub(super) fn measure(&self, kind: usize, since: Instant, now: Instant, counts: u64) {
        let Some(window) = self.window.get() else { return };
        let mut stats = self.stats.borrow_mut();
        let within = |at: Instant| window.begin <= at && at < window.end;
        if within(now) {
            stats.answered += counts;
        }
        // In an open loop what was due in the measured time is measured, however late it is answered:
        // otherwise the worst would be left out.
        let measured = if self.plan.rate.is_some() { since } else { now };
        if within(measured)
            && let Some((_, histogram)) = stats.latencies.get_mut(kind)
        {
            let took = now.saturating_duration_since(since).as_nanos();
            histogram.add(u64::try_from(took).unwrap_or(u64::MAX));
        }
    }

    /// Counts something else, if it falls into the measured time.
    pub(super) fn note(&self, what: &'static str, now: Instant) {
        self.note_many(what, 1, now);
    }

    /// Counts so many of something else.
    pub(super) fn note_many(&self, what: &'static str, many: u64, now: Instant) {
        if self.window.get().is_some_and(|window| window.begin <= now && now < window.end) {
            *self.stats.borrow_mut().notes.entry(what).or_default() += many;
        }
    }

    /// An operation failed.
    pub(super) fn failed(&self, status: &Status) {
        let words: String = status.message.chars().take(WORDS).collect();
        let mut kind = code_name(status.code).to_owned();
        if !words.is_empty() {
            kind = format!("{kind}: {words}");
        }
        let errors = &mut self.stats.borrow_mut().errors;
        if errors.len() >= KINDS && !errors.contains_key(&kind) {
            "others".clone_into(&mut kind);
        }
        errors.entry(kind).or_insert((0, status.code)).0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Plan, Run, Window};
    use crate::bench::http2::Status;

    fn run(rate: Option<f64>, total: Option<u64>) -> (std::rc::Rc<Run>, Instant) {
        let timeout = Duration::from_secs(1);
        let plan =
            Plan { clients: 1, connections: 1, rate, total, timeout, seed: 0, keyspace: None };
        let (run, start) = (Run::new(plan, &["put"], 1).unwrap(), Instant::now());
        let second = |at| start + Duration::from_secs(at);
        run.start(Window { start, begin: second(1), end: second(3) });
        (run, start)
    }

    #[test]
    fn in_an_open_loop_the_late_answer_counts_from_when_it_was_due() {
        for (rate, latencies, largest) in [(Some(10.0), 2, 7), (None, 1, 2)] {
            let (run, start) = run(rate, None);
            let second = |at| start + Duration::from_secs(at);
            run.done(0, second(0), second(1) - Duration::from_millis(1));
            run.done(0, second(1), second(2) + Duration::from_millis(999));
            run.done(0, second(2), second(9));
            let stats = run.stats.borrow();
            assert_eq!((stats.answered, stats.acknowledged), (1, 3));
            let histogram = &stats.latencies[0].1;
            assert_eq!(histogram.count(), latencies, "rate {rate:?}");
            assert_eq!(histogram.max().div_ceil(1_000_000_000), largest, "rate {rate:?}");
        }
    }

    #[test]
    fn no_more_begin_than_wanted_and_none_after_the_end() {
        let (run, start) = run(None, Some(2));
        assert!(run.issue(start) && run.issue(start) && !run.issue(start));
        assert!(run.is_over(start));
        let (run, start) = self::run(None, None);
        assert!(!run.issue(start + Duration::from_secs(3)) && !run.is_over(start));
        run.stop(start + Duration::from_secs(2));
        assert!(run.is_over(start + Duration::from_secs(2)));
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let (run, _) = run(None, None);
        (0..100).for_each(|at| run.failed(&Status::new(14, format!("reason {at}"))));
        let stats = run.stats.borrow();
        assert_eq!((stats.errors.len(), stats.failed()), (33, 100));
        assert_eq!(stats.errors["others"].0, 68);
    }
}
