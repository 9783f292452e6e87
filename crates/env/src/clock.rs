//! Time.

use core::time::Duration;

/// A moment on the monotonic clock, counted from an arbitrary start of this process; it never goes
/// back and says nothing about the time of day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The monotonic clock: what deadlines and leases are counted on.
    fn now(&self) -> Moment;
    /// Milliseconds since 1970 by the wall clock, for people and file names only.
    fn wall_millis(&self) -> u64;
}
