//! How well a node hears another one.

use std::time::Duration;

use env::Moment;

use crate::strain::Window;

/// From this round trip on a link is slow: a leader behind it takes a fifth of a second for each write.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// Beats that come late for so much of ten seconds are those of a link that loses or stalls.
const LATE: Duration = Duration::from_secs(2);

/// What is measured of the link to a node.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Link {
    /// Whether frames are slow there, or come in fits and starts. Not said of a node that is lost.
    pub is_slow: bool,
    /// By how much the latest of the beats of the last ten seconds came late.
    pub latest: Duration,
}

/// The beats of one node.
#[derive(Default)]
pub(super) struct Listening {
    late: Window,
    is_slow: bool,
}

impl Listening {
    /// A beat came so long after the one before it, with `every` between two.
    pub(super) fn heard(&mut self, now: Moment, after: Duration, every: Duration) {
        self.late.add(now, after.saturating_sub(every));
    }

    /// Looks at the link; what was slow is so until it is less than half as bad.
    pub(super) fn look(&mut self, now: Moment, is_there: bool, round_trip: Option<Duration>) {
        let part = if self.is_slow { 2 } else { 1 };
        let is_far = round_trip.is_some_and(|trip| trip >= ROUND_TRIP / part);
        let stalls = self.late.recent(now).sum >= LATE / part;
        self.is_slow = is_there && (is_far || stalls);
    }

    pub(super) const fn is_slow(&self) -> bool {
        self.is_slow
    }

    pub(super) fn link(&self, now: Moment) -> Link {
        Link { is_slow: self.is_slow, latest: self.late.recent(now).longest }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::Listening;

    const EVERY: Duration = Duration::from_millis(200);

    #[test]
    fn a_link_is_slow_by_its_round_trip_or_by_beats_that_come_late_again_and_again() {
        let at = |ms: u64| Moment(Duration::from_millis(60_000 + ms));
        let mut link = Listening::default();
        let mut far = |ms| {
            link.look(at(0), true, Some(Duration::from_millis(ms)));
            link.is_slow()
        };
        assert_eq!([199, 200, 101, 99, 199].map(&mut far), [false, true, true, false, false]);
        link.heard(at(0), Duration::from_secs(9), EVERY);
        link.look(at(0), true, None);
        assert!(!link.is_slow(), "it stood still once");
        for number in 1..5 {
            link.heard(at(number * 900), Duration::from_millis(900), EVERY);
        }
        link.look(at(4_000), true, None);
        assert!(link.is_slow() && link.link(at(4_000)).latest == Duration::from_millis(8_800));
        link.look(at(4_000), false, None);
        assert!(!link.is_slow(), "a node that is lost is told of otherwise");
        link.look(at(15_000), true, None);
        assert!(!link.is_slow());
    }
}
