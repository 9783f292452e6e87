//! Which revision a keyspace is to be compacted to, and when.
//!
//! Every node looks at every keyspace, in the same steps, so that whoever leads next knows how long
//! ago which revision was. Who leads compacts; that it was done is seen on all.

use std::collections::VecDeque;
use std::time::Duration;

use types::Revision;

/// Looks in the time between two compactions.
const LOOKS: usize = 10;
/// Two compactions are at most so far apart, however long history is kept.
const APART: Duration = Duration::from_secs(3600);
/// Revisions remembered of a keyspace at most: looks are farther apart for those who keep history for
/// longer than that.
const REMEMBERED: u32 = 1_000;

/// What history is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoCompaction {
    /// That of this long. What is older goes when it is that old, or hourly.
    Periodic(Duration),
    /// That of so many revisions.
    Revisions {
        /// How many.
        keep: u64,
        /// How often it is looked at; etcd does every five minutes.
        every: Duration,
    },
}

impl AutoCompaction {
    /// Between two looks.
    pub(super) fn interval(self) -> Duration {
        let interval = match self {
            Self::Periodic(period) => (period.min(APART) / 10).max(period / REMEMBERED),
            Self::Revisions { every, .. } => every,
        };
        interval.max(Duration::from_millis(10))
    }

    /// Looks after which a revision is as old as history is kept.
    fn looks(self) -> usize {
        match self {
            Self::Periodic(period) => {
                let looks = period.as_nanos().div_ceil(self.interval().as_nanos().max(1));
                usize::try_from(looks).unwrap_or(usize::MAX).max(1)
            }
            Self::Revisions { .. } => 1,
        }
    }
}

/// A keyspace's last revisions.
#[derive(Default)]
pub(super) struct Window {
    revisions: VecDeque<Revision>,
    compacted: Revision,
    /// Looks since it was compacted last, by whomever.
    since: usize,
}

impl Window {
    /// One look. Answers where to compact, if it is time to and there is something; again and again,
    /// until it was done.
    pub(super) fn look(
        &mut self,
        rule: AutoCompaction,
        revision: Revision,
        compacted: Revision,
    ) -> Option<Revision> {
        let target = match rule {
            AutoCompaction::Revisions { keep, .. } => {
                Revision(revision.get().saturating_sub_unsigned(keep))
            }
            AutoCompaction::Periodic(_) => {
                self.since += 1;
                if self.compacted != compacted {
                    (self.compacted, self.since) = (compacted, 0);
                }
                self.revisions.push_back(revision);
                let looks = rule.looks();
                // The first of them was seen so many looks ago.
                while self.revisions.len() > looks + 1 {
                    self.revisions.pop_front();
                }
                let oldest = *self.revisions.front()?;
                if self.revisions.len() <= looks || self.since < LOOKS {
                    return None;
                }
                oldest
            }
        };
        (target > compacted && target > Revision(0)).then_some(target)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::Revision;

    use super::{AutoCompaction, Window};

    /// Looks for a day at a keyspace that grows by 100 revisions a minute; answers when it was
    /// compacted, in minutes, and how old what went was then.
    fn day(rule: AutoCompaction, leads: impl Fn(f64) -> bool) -> Vec<(f64, f64)> {
        let (mut window, mut compacted) = (Window::default(), Revision(0));
        let mut steps = Vec::new();
        let interval = rule.interval().as_secs_f64() / 60.0;
        for look in 0..(24.0 * 60.0 / interval) as u64 {
            let minute = look as f64 * interval;
            let revision = Revision((minute * 100.0) as i64 + 1);
            if let Some(target) = window.look(rule, revision, compacted)
                && leads(minute)
            {
                assert!(target > compacted && target <= revision);
                compacted = target;
                steps.push((minute, (revision.get() - target.get()) as f64 / 100.0));
            }
        }
        steps
    }

    fn hours(hours: u64) -> AutoCompaction {
        AutoCompaction::Periodic(Duration::from_secs(hours * 3600))
    }

    #[test]
    fn history_is_kept_as_long_as_it_was_said_and_goes_in_steps() {
        let ten_minutes = AutoCompaction::Periodic(Duration::from_secs(600));
        let steps = day(ten_minutes, |_| true);
        assert!(steps.iter().all(|(_, age)| (10.0..11.1).contains(age)), "{steps:?}");
        assert!(steps.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 9.9), "{steps:?}");
        assert!((120..=143).contains(&steps.len()), "{steps:?}");
        let steps = day(hours(5), |_| true);
        assert!(steps[0].0 >= 300.0, "nothing is that old before");
        assert!(steps.iter().all(|(_, age)| (300.0..306.1).contains(age)), "{steps:?}");
        assert!((17..=19).contains(&steps.len()), "hourly: {steps:?}");
        assert!(day(hours(48), |_| true).is_empty());
        assert!(hours(24 * 365).looks() <= 1_000, "memory is bounded");
    }

    #[test]
    fn who_leads_next_goes_on_where_the_other_was() {
        // Nobody leads for two hours in the morning: then at once, and hourly again.
        let steps = day(hours(1), |minute| !(240.0..360.0).contains(&minute));
        let after: Vec<_> = steps.iter().filter(|(at, _)| *at >= 240.0).collect();
        assert!((after[0].0 - 360.0).abs() < 6.1, "{after:?}");
        assert!(after[1].0 - after[0].0 >= 59.9, "{after:?}");
    }

    #[test]
    fn a_number_of_revisions_is_kept_and_rest_costs_nothing() {
        let rule = AutoCompaction::Revisions { keep: 1_000, every: Duration::from_secs(300) };
        let mut window = Window::default();
        let mut look = |revision, compacted| {
            window.look(rule, Revision(revision), Revision(compacted)).map(Revision::get)
        };
        assert_eq!(look(1_000, 0), None);
        assert_eq!(look(1_500, 0), Some(500));
        assert_eq!(look(1_500, 0), Some(500), "until it is done");
        assert_eq!(look(1_500, 500), None);
        assert_eq!(look(1_500, 700), None, "a client was there");
        let (mut window, rule) = (Window::default(), hours(1));
        let steps = (0..1_000).filter(|_| {
            let compacted = window.compacted;
            window.look(rule, Revision(7), compacted).is_some_and(|target| {
                // As if it was done, and seen at the next look.
                window.compacted = target;
                true
            })
        });
        assert_eq!(steps.count(), 1);
    }
}
