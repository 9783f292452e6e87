//! How many questions may be asked of a second node while the first one is late.

use std::sync::atomic::{AtomicU32, Ordering};

/// One question in so many.
const ONE_IN: u32 = 10;
/// So many at once, after a while without any: what waits for one node that stands still.
const AT_ONCE: u32 = 128;

/// A cluster that is slow as a whole would be asked everything twice, and be slower for it. So only a part of
/// what is asked may be.
#[derive(Debug)]
pub(super) struct Twice {
    /// In parts of a question.
    left: AtomicU32,
}

impl Default for Twice {
    fn default() -> Self {
        Self { left: AtomicU32::new(AT_ONCE * ONE_IN) }
    }
}

impl Twice {
    /// Notes a question that is asked.
    pub(super) fn asked(&self) {
        let more = |left| (left < AT_ONCE * ONE_IN).then_some(left + 1);
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether one more may be asked twice; it is, then.
    pub(super) fn may(&self) -> bool {
        let less = |left: u32| left.checked_sub(ONE_IN);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, ONE_IN, Twice};

    #[test]
    fn a_part_of_the_questions_is_asked_twice() {
        let twice = Twice::default();
        let asked_twice = |questions: u32| {
            let asks = (0..questions).filter(|_| {
                twice.asked();
                twice.may()
            });
            u32::try_from(asks.count()).unwrap()
        };
        assert!(asked_twice(10_000 * ONE_IN).abs_diff(10_000 + AT_ONCE) <= 1);
        for _ in 0..10_000 {
            twice.asked();
        }
        assert_eq!((0..1_000).filter(|_| twice.may()).count(), AT_ONCE as usize);
    }
}
