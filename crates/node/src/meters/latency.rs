//! How long requests take, of a sample: a clock is read for those alone.

use std::time::Duration;

use env::Moment;

use crate::hot::is_sampled;
use crate::shared::Shared;

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Shared {
    /// A command of a client has its answer; `since` if it is one of the sample.
    pub(crate) fn note_write(&self, since: Option<Moment>) {
        if let Some(since) = since {
            self.meters.writes.add(micros(self.clock.now().since(since)));
        }
    }

    /// Reads that came before `since` may go. The moment itself decides whether it is one of the sample.
    pub(crate) fn note_read(&self, since: Moment) {
        if is_sampled(u64::from(since.0.subsec_nanos())) {
            self.meters.read_waits.add(micros(self.clock.now().since(since)));
        }
    }
}
