use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use hyper::http::uri::Authority;
use parking_lot::Mutex;

use super::lane::{CALLS, Lane, STREAMS, Seat};
use crate::passing::Kind;

/// How well a member can serve, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Standing {
    /// It is there and knows a leader.
    Ready,
    /// It is there and knows none, or does not say.
    Doubtful,
    /// It cannot be connected to, or was not yet.
    Gone,
}

/// One member.
pub(crate) struct Member {
    pub(crate) address: Authority,
    standing: AtomicU8,
    trouble: Mutex<String>,
    pub(super) calls: Lane,
    pub(super) streams: Lane,
    /// Requests that were passed on to it.
    pub(crate) passed: AtomicU64,
}

impl Member {
    pub(super) fn new(address: Authority, tls: Option<&tls::Dial>) -> Self {
        Self {
            calls: Lane::new(&address, tls, &CALLS),
            streams: Lane::new(&address, tls, &STREAMS),
            standing: AtomicU8::new(Standing::Gone as u8),
            trouble: Mutex::new("not tried yet".to_owned()),
            passed: AtomicU64::new(0),
            address,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            0 => Standing::Ready,
            1 => Standing::Doubtful,
            _ => Standing::Gone,
        }
    }

    /// What was wrong with it at last, for people.
    pub(crate) fn trouble(&self) -> String {
        self.trouble.lock().clone()
    }

    /// A request to it failed.
    pub(crate) fn failed(&self, why: &str) {
        why.clone_into(&mut self.trouble.lock());
    }

    /// It is like this now; said in the log when it changes.
    pub(crate) fn stands(&self, standing: Standing, why: &str) {
        if standing != Standing::Ready {
            why.clone_into(&mut self.trouble.lock());
        }
        let before = self.standing.swap(standing as u8, Ordering::Relaxed);
        if before == standing as u8 {
            return;
        }
        let member = &self.address;
        match standing {
            Standing::Ready => tracing::info!(%member, "a member is ready"),
            Standing::Doubtful => tracing::warn!(%member, why, "a member knows no leader"),
            Standing::Gone => tracing::warn!(%member, why, "a member is not reached"),
        }
    }

    /// A place for one request of this kind.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn seat(&self, kind: Kind) -> Result<Seat, String> {
        let lane = if kind.is_short() { &self.calls } else { &self.streams };
        lane.seat().await
    }

    /// Connections to it, and streams on them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (calls, streams) = (self.calls.count(), self.streams.count());
        (calls.0 + streams.0, calls.1 + streams.1)
    }

    /// Rings when a connection to it is lost.
    pub(super) async fn lost(&self) {
        let (calls, streams) = (Arc::clone(&self.calls.lost), Arc::clone(&self.streams.lost));
        tokio::select! {
            () = calls.notified() => {}
            () = streams.notified() => {}
        }
    }
}
