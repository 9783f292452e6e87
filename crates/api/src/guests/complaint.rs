use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the same complaint stays unsaid.
const AGAIN: Duration = Duration::from_secs(10);

/// More connections are open than are served.
pub(crate) static CONNECTIONS: Complaint = Complaint::new(
    "all connections that are served at once are taken; clients wait to be accepted",
);
/// One connection has too many streams.
pub(super) static STREAMS: Complaint = Complaint::new(
    "a client wants more streams and waiting calls on one connection than it may have",
);
/// A request that was begun and does not come.
pub(crate) static HALF: Complaint =
    Complaint::new("a client sent part of a request and nothing more; the request is given up");
/// A client that takes nothing.
pub(super) static STALLED: Complaint =
    Complaint::new("a client does not read what it is sent; its connection is ended");

/// Who speaks TLS to a port without it.
pub(crate) static TLS_HERE: Complaint = Complaint::new(
    "a client speaks TLS to a port that does not; its connection is ended: let it say http://, or give \
     this server --cert-file and --key-file",
);
/// Who does not keep to the protocol of the connection.
pub(crate) static BROKEN: Complaint =
    Complaint::new("a client does not keep to HTTP/2; its connection is ended");
/// Whose answers wait for windows that it does not open.
pub(crate) static UNREAD: Complaint = Complaint::new(
    "a client opens no windows for so many bytes of answers; its streams wait, then requests are refused",
);

/// One thing that clients do too much of.
pub(crate) struct Complaint {
    what: &'static str,
    said: Mutex<Option<Instant>>,
    unsaid: AtomicU64,
}

impl Complaint {
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, said: Mutex::new(None), unsaid: AtomicU64::new(0) }
    }

    /// `peer` did it, `count` times or for so many things at once.
    pub(crate) fn about(&self, peer: &str, count: usize) {
        if let Some(unsaid) = self.is_due(Instant::now()) {
            tracing::warn!(peer, count, unsaid, "{}", self.what);
        }
    }

    /// How often it went unsaid since the last time, if it is time to say it again.
    fn is_due(&self, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|at| now.duration_since(at) < AGAIN) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *said = Some(now);
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{AGAIN, Complaint};

    #[test]
    fn what_is_said_often_is_said_once_with_how_often() {
        let complaint = Complaint::new("too much");
        let start = Instant::now();
        assert_eq!(complaint.is_due(start), Some(0));
        for _ in 0..7 {
            assert_eq!(complaint.is_due(start + AGAIN / 2), None);
        }
        assert_eq!(complaint.is_due(start + AGAIN), Some(7));
        assert_eq!(complaint.is_due(start + AGAIN), None);
    }
}
