//! When operations begin: at once, or when they are due.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::run::Run;
use super::schedule::Schedule;

/// How often a connection looks at what takes too long.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The operations of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    run: Rc<Run>,
    at: usize,
    of: usize,
    schedule: Option<Schedule>,
}

/// Whether an operation begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Now; it counts from then.
    Begins(Instant),
    /// Not before.
    Later(Instant),
    /// Not any more, or not yet.
    Not,
}

impl Pace {
    /// Share number `at` of `of`.
    pub(super) fn share(run: Rc<Run>, at: usize, of: usize) -> Self {
        Self { run, at, of, schedule: None }
    }

    /// The next operation, for which there is room now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let Some(window) = self.run.window() else { return Next::Not };
        let mut since = now;
        if let Some(rate) = self.run.plan.rate {
            let share = || Schedule::share(window.start, rate, self.at, self.of);
            let schedule = self.schedule.get_or_insert_with(share);
            match schedule.take(now) {
                Some(due) => since = due,
                None => return Next::Later(schedule.next()),
            }
        }
        if self.run.issue(since) { Next::Begins(since) } else { Next::Not }
    }

    /// When to look again: at `next`, at the end, or after a while.
    pub(super) fn wake(&self, next: Option<Instant>, now: Instant) -> Instant {
        let end = self.run.window().map(|window| window.end).filter(|end| *end > now);
        next.into_iter().chain(end).fold(now + LOOK, Instant::min)
    }
}
