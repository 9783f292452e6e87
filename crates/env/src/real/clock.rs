use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Clock, Moment};

/// The machine's clocks.
pub struct MonotonicClock {
    start: Duration,
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self { start: since_boot() }
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Moment {
        Moment(since_boot().saturating_sub(self.start))
    }

    fn wall_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The clock that goes on while the machine is suspended, where there is one: a leader that wakes up
/// with its machine must find its lease over, not as it was.
fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Clock, MonotonicClock};

    #[test]
    fn it_goes_forward_from_nothing() {
        let clock = MonotonicClock::default();
        let mut last = clock.now();
        assert!(last.0.as_secs() < 60, "it counts from its own start");
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
