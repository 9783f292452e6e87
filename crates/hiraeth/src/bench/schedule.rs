//! When operations are due in an open loop.

use std::time::{Duration, Instant};

/// Instants in equal steps, told one after the other. Who takes one late is late: the next does not
/// move.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    start: Instant,
    /// Seconds between two.
    step: f64,
    taken: u64,
}

impl Schedule {
    /// Share number `at` of `of` that together make `rate` in a second from `start` on.
    pub(super) fn share(start: Instant, rate: f64, at: usize, of: usize) -> Self {
        let start = start + Duration::from_secs_f64(at as f64 / rate);
        Self { start, step: of as f64 / rate, taken: 0 }
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.step * self.taken as f64)
    }

    /// Takes the next if it is due; answers since when.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next();
        (due <= now).then(|| {
            self.taken += 1;
            due
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Schedule;

    #[test]
    fn what_is_taken_late_was_due_when_it_was() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut schedule = Schedule::share(start, 100.0, 0, 1);
        assert_eq!(schedule.take(at(0)), Some(at(0)));
        assert_eq!(schedule.take(at(9)), None);
        // Nobody came for 35 ms: three became due meanwhile, and each counts from its own time.
        for due in [10, 20, 30] {
            assert_eq!(schedule.take(at(35)), Some(at(due)));
        }
        assert_eq!(schedule.take(at(35)), None);
        assert_eq!(schedule.next(), at(40));
    }

    #[test]
    fn shares_make_up_the_rate() {
        let start = Instant::now();
        let second = start + Duration::from_secs(1);
        let mut all = Vec::new();
        for at in 0..7 {
            let mut share = Schedule::share(start, 1000.0, at, 7);
            all.extend(std::iter::from_fn(|| share.take(second)));
        }
        all.sort_unstable();
        assert!((1000..=1001).contains(&all.len()), "{}", all.len());
        let apart = all.windows(2).map(|two| two[1] - two[0]);
        assert!(
            apart.into_iter().all(|step| step.abs_diff(Duration::from_millis(1)).as_micros() < 2)
        );
    }
}
