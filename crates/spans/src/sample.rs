//! Which requests are traced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Chance, and what one second may have of it.
pub(crate) struct Sampler {
    /// Of 2^64 requests that bring no context, so many are traced.
    chance: u64,
    always: bool,
    /// Traces in one second, whoever wants them.
    limit: u32,
    /// The second in the upper half, the traces in it in the lower.
    taken: AtomicU64,
    began: Instant,
}

impl Sampler {
    pub(crate) fn new(ratio: f64, limit: u32) -> Self {
        // A float's conversion stops at the ends of what there is; what is no number is 0.
        let chance = (ratio * u64::MAX as f64) as u64;
        let (taken, began) = (AtomicU64::new(0), Instant::now());
        Self { chance, always: ratio >= 1.0, limit, taken, began }
    }

    /// Whether one of those that say nothing is to be traced. `number` draws a number at random.
    pub(crate) fn draws(&self, number: impl FnOnce() -> u64) -> bool {
        self.always || self.chance > 0 && number() < self.chance
    }

    /// Whether the second that it is has room for another one.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_at(self.began.elapsed().as_secs())
    }

    fn has_room_at(&self, second: u64) -> bool {
        let second = second << 32;
        let taken = self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            match taken & !u64::from(u32::MAX) {
                // One that is late counts in the second that others have begun.
                now if now >= second => ((taken as u32) < self.limit).then_some(taken + 1),
                _ => (self.limit > 0).then_some(second | 1),
            }
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Sampler;

    #[test]
    fn a_second_has_room_for_so_many_and_the_next_for_as_many_again() {
        let sampler = Sampler::new(1.0, 3);
        for second in [0, 1, 7] {
            let taken = (0..100).filter(|_| sampler.has_room_at(second)).count();
            assert_eq!(taken, 3, "in second {second}");
        }
        assert!(!sampler.has_room_at(5), "who is late has no second of its own");
        assert!(!Sampler::new(1.0, 0).has_room_at(1));
    }

    #[test]
    fn a_ratio_is_a_chance_and_none_draws_no_number() {
        assert!(!Sampler::new(0.0, 1).draws(|| unreachable!("nothing is drawn")));
        assert!(!Sampler::new(f64::NAN, 1).draws(|| unreachable!("nothing is drawn")));
        let half = Sampler::new(0.5, 1);
        assert!(half.draws(|| u64::MAX / 4) && !half.draws(|| u64::MAX / 4 * 3));
        assert!(Sampler::new(1.0, 1).draws(|| u64::MAX));
    }
}
