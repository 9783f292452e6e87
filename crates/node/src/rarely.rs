//! Words that would be said again and again: said at most every ten seconds, with how often they were
//! not.

use std::collections::BTreeMap;
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;

const AGAIN: Duration = Duration::from_secs(10);

/// What was said lately, by subject. Subjects are the program's own words, so they are few.
#[derive(Default)]
pub(crate) struct Rarely(Mutex<BTreeMap<&'static str, (Moment, u64)>>);

impl Rarely {
    /// Whether to speak of `subject` now; and if so, how often that was not done since the last time.
    pub(crate) fn say(&self, now: Moment, subject: &'static str) -> Option<u64> {
        let mut said = self.0.lock();
        match said.get_mut(subject) {
            Some((last, unsaid)) if now.since(*last) < AGAIN => {
                *unsaid += 1;
                None
            }
            Some(state) => {
                let (_, unsaid) = std::mem::replace(state, (now, 0));
                Some(unsaid)
            }
            None => {
                said.insert(subject, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use env::Moment;

    use super::Rarely;

    #[test]
    fn what_was_not_said_is_counted() {
        let rarely = Rarely::default();
        let at = |ms| Moment(Duration::from_millis(ms));
        assert_eq!(rarely.say(at(0), "a"), Some(0));
        assert_eq!(rarely.say(at(1), "a"), None);
        assert_eq!(rarely.say(at(9_999), "a"), None);
        assert_eq!(rarely.say(at(9_999), "b"), Some(0));
        assert_eq!(rarely.say(at(10_000), "a"), Some(2));
        assert_eq!(rarely.say(at(20_000), "a"), Some(0));
    }
}
