use std::time::Duration;

use env::Moment;

/// What is older is forgotten, in seconds.
const SECONDS: u64 = 10;
/// One long wait is an accident and counts no more than this; several are a state.
const COUNTS: Duration = Duration::from_millis(500);

/// How long something took lately, second by second.
#[derive(Default, Debug)]
pub(crate) struct Window([Second; SECONDS as usize]);

#[derive(Clone, Copy, Default, Debug)]
struct Second {
    number: u64,
    recent: Recent,
}

/// How long something took in the last ten seconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recent {
    /// How often.
    pub count: u64,
    /// All of them together; each with half a second at most.
    pub sum: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Recent {
    /// How long one took, those over half a second counted as that.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.sum.checked_div(count).unwrap_or_default()
    }

    fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            longest: self.longest.max(other.longest),
        }
    }
}

impl Window {
    pub(crate) fn add(&mut self, now: Moment, took: Duration) {
        let number = now.0.as_secs();
        let at = usize::try_from(number % SECONDS).unwrap_or(0);
        let second = &mut self.0[at];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        let one = Recent { count: 1, sum: took.min(COUNTS), longest: took };
        second.recent = second.recent.with(one);
    }

    pub(crate) fn recent(&self, now: Moment) -> Recent {
        let now = now.0.as_secs();
        let lately = self.0.iter().filter(|second| second.number + SECONDS > now);
        lately.fold(Recent::default(), |all, second| all.with(second.recent))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::Window;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn ten_seconds_are_remembered_and_one_accident_does_not_count_for_more() {
        let mut window = Window::default();
        let millis = Duration::from_millis;
        assert_eq!(window.recent(at(50_000)), super::Recent::default());
        window.add(at(50_900), millis(7_000));
        window.add(at(51_000), millis(100));
        let recent = window.recent(at(55_000));
        assert_eq!((recent.count, recent.sum, recent.longest), (2, millis(600), millis(7_000)));
        assert_eq!(recent.mean(), millis(300));
        let recent = window.recent(at(60_500));
        assert_eq!((recent.count, recent.longest), (1, millis(100)), "the first is forgotten");
        window.add(at(61_000), millis(20));
        assert_eq!(window.recent(at(61_000)).count, 1, "its place was another second's");
    }
}
