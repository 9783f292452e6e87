use std::time::Duration;

use env::Rng;

/// Pauses that double and scatter, so that nodes that lost each other do not come back in step.
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// The next pause: between half of and the whole of what it has grown to.
    pub(super) fn pause(&mut self, rng: &dyn Rng) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.max);
        let half = u64::try_from(whole.as_micros() / 2).unwrap_or(u64::MAX / 2);
        Duration::from_micros(half + rng.next_u64() % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use env::OsRandom;
    use std::time::Duration;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_over() {
        let (min, max) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut backoff = Backoff::new(min, max);
        let pauses: Vec<_> = (0..10).map(|_| backoff.pause(&OsRandom)).collect();
        assert!(pauses[0] >= min / 2 && pauses[0] <= min);
        assert!(pauses[5] >= Duration::from_millis(800));
        assert!(pauses[6..].iter().all(|pause| (max / 2..=max).contains(pause)));
        backoff.reset();
        assert!(backoff.pause(&OsRandom) <= min);
    }
}
