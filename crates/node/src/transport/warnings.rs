use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the same warning about the same subject stays unsaid.
const AGAIN: Duration = Duration::from_secs(30);
/// Subjects remembered; strangers can make up as many as they like.
const SUBJECTS: usize = 256;

/// Says a warning when it is new, or old enough to be said again.
#[derive(Default)]
pub(super) struct Warnings {
    said: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl Warnings {
    /// Logs `text` about `subject`, unless the same was said lately.
    pub(super) fn warn(&self, subject: &str, text: &str) {
        if self.news(subject, text) {
            tracing::warn!("{subject}: {text}");
        }
    }

    fn news(&self, subject: &str, text: &str) -> bool {
        let now = Instant::now();
        let mut said = self.said.lock();
        if let Some((at, last)) = said.get(subject)
            && last == text
            && now.duration_since(*at) < AGAIN
        {
            return false;
        }
        if said.len() >= SUBJECTS && !said.contains_key(subject) {
            said.retain(|_, (at, _)| now.duration_since(*at) < AGAIN);
            if said.len() >= SUBJECTS {
                return false;
            }
        }
        said.insert(subject.to_owned(), (now, text.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{SUBJECTS, Warnings};

    #[test]
    fn the_same_is_said_once_and_strangers_cannot_fill_the_log() {
        let warnings = Warnings::default();
        assert!(warnings.news("n2", "refused"));
        assert!(!warnings.news("n2", "refused"));
        assert!(warnings.news("n2", "other cluster"));
        let said = (0..10 * SUBJECTS).filter(|n| warnings.news(&n.to_string(), "x")).count();
        assert_eq!(said, SUBJECTS - 1);
        assert!(warnings.news("n2", "refused"));
    }
}
