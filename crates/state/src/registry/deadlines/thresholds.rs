//! How many results in a row it takes before a check stands another way. For every kind of check: a time
//! to live that passed in silence is a failure like any other.

use crate::registry::answer::CheckTimer;
use crate::registry::record::Status;

/// How a check stands, and what it heard in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Thresholds {
    status: Status,
    successes: u8,
    failures: u8,
    before_passing: u8,
    before_warning: u8,
    before_critical: u8,
}

impl Thresholds {
    /// `before`: what was known of the check until now, whose counts go on.
    pub(super) fn new(check: &CheckTimer, before: Option<&Self>) -> Self {
        let before_passing = check.success_before_passing.max(1);
        // One that passes already has shown what it takes.
        let shown = if check.status == Status::Passing { before_passing } else { 0 };
        let (successes, failures) = match before {
            // By whatever word it came to pass, it was heard.
            Some(before) if check.status == Status::Passing => (before.successes.max(shown), 0),
            Some(before) => (before.successes, before.failures),
            None => (shown, 0),
        };
        Self {
            status: check.status,
            successes,
            failures,
            before_passing,
            before_warning: check.failures_before_warning,
            before_critical: check.failures_before_critical.max(1),
        }
    }

    /// For what is no check.
    pub(super) fn none() -> Self {
        Self {
            status: Status::Passing,
            successes: 0,
            failures: 0,
            before_passing: 1,
            before_warning: 0,
            before_critical: 1,
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Takes it that what was proposed is so.
    pub(super) fn assume(&mut self, status: Status) {
        self.status = status;
    }

    /// Counts a result; answers how the check stands, if that is another way than before. It is asked
    /// again with every result until somebody says that it stands so.
    pub(super) fn hear(&mut self, result: Status) -> Option<Status> {
        let stands = if result == Status::Critical {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            if self.failures >= self.before_critical {
                Status::Critical
            } else if self.before_warning > 0 && self.failures >= self.before_warning {
                // Failing is no way out of being critical.
                self.status.max(Status::Warning)
            } else {
                self.status
            }
        } else {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            if self.successes >= self.before_passing { result } else { self.status }
        };
        (stands != self.status).then_some(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::Thresholds;
    use crate::registry::answer::CheckTimer;
    use crate::registry::record::Status::{self, Critical, Passing, Warning};

    fn check(status: Status, passing: u8, warning: u8, critical: u8) -> CheckTimer {
        CheckTimer {
            status,
            ttl_ms: 0,
            interval_ms: 0,
            deregister_after_ms: 0,
            success_before_passing: passing,
            failures_before_warning: warning,
            failures_before_critical: critical,
            service: None,
        }
    }

    /// What is heard, one after the other, where every answer is applied at once.
    fn run(timer: CheckTimer, heard: &[Status]) -> Vec<Status> {
        let mut timer = timer;
        let mut thresholds = Thresholds::new(&timer, None);
        let mut stood = Vec::new();
        for result in heard {
            if let Some(status) = thresholds.hear(*result) {
                timer.status = status;
                thresholds = Thresholds::new(&timer, Some(&thresholds));
            }
            stood.push(thresholds.status());
        }
        stood
    }

    #[test]
    fn without_numbers_every_result_counts() {
        let stood = run(check(Critical, 0, 0, 0), &[Passing, Warning, Critical, Passing]);
        assert_eq!(stood, [Passing, Warning, Critical, Passing]);
    }

    #[test]
    fn it_takes_as_many_in_a_row_as_was_asked_for() {
        let heard = [Passing, Passing, Critical, Passing, Passing, Passing];
        let stood = run(check(Critical, 3, 0, 0), &heard);
        assert_eq!(stood, [Critical, Critical, Critical, Critical, Critical, Passing]);
        let heard = [Critical, Passing, Critical, Critical, Critical, Critical];
        let stood = run(check(Passing, 0, 2, 4), &heard);
        assert_eq!(stood, [Passing, Passing, Passing, Warning, Warning, Critical]);
    }

    #[test]
    fn one_that_is_critical_does_not_get_better_by_failing() {
        assert_eq!(run(check(Critical, 0, 1, 3), &[Critical, Critical]), [Critical, Critical]);
    }
}
