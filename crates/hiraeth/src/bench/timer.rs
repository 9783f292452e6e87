//! A timer that does not round: tokio's are kept to the millisecond, which is more than many answers
//! take.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long its thread waits when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Wakes connections when something is due, from a thread of its own that ends with it.
#[derive(Debug)]
pub(super) struct Timer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wakes: Vec<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct State {
    /// When to wake which.
    due: BTreeSet<(Instant, usize)>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = Instant::now();
            let later = state.due.split_off(&(now, usize::MAX));
            for (_, at) in std::mem::replace(&mut state.due, later) {
                self.wakes[at].notify_one();
            }
            let next =
                state.due.first().map_or(IDLE, |(when, _)| when.saturating_duration_since(now));
            let waited = self.changed.wait_timeout(state, next);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Timer {
    pub(super) fn new(wakes: Vec<Arc<Notify>>) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), wakes });
        let working = Arc::clone(&shared);
        std::thread::Builder::new().name("bench-timer".to_owned()).spawn(move || working.work())?;
        Ok(Self { shared })
    }

    /// Wakes number `at` at `when`.
    pub(super) fn arm(&self, at: usize, when: Instant) {
        let mut state = self.shared.lock();
        state.due.insert((when, at));
        if state.due.first() == Some(&(when, at)) {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use tokio::sync::Notify;

    use super::Timer;

    #[tokio::test]
    async fn each_is_woken_when_it_wants_and_not_before() {
        let wakes: Vec<Arc<Notify>> = (0..2).map(|_| Arc::default()).collect();
        let timer = Timer::new(wakes.clone()).unwrap();
        let start = Instant::now();
        timer.arm(0, start + Duration::from_secs(60));
        timer.arm(1, start + Duration::from_micros(1500));
        wakes[1].notified().await;
        assert!(start.elapsed() >= Duration::from_micros(1500));
        timer.arm(0, start);
        wakes[0].notified().await;
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
