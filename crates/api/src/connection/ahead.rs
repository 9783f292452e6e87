use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use http2::StreamKey;
use parking_lot::Mutex;

use crate::guests::{Guest, UNREAD};

/// Bytes of answers that wait for the client's windows, from which on no stream makes more,
const STREAMS_WAIT_BYTES: usize = 32 * 1024 * 1024;
/// and from which on requests are refused.
const REFUSED_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of answers that were made for one connection and that it did not take yet: those of a client
/// that opens no windows. Each stream has a bound of its own far below; this one is for ten thousand of
/// them.
pub(super) struct Ahead {
    guest: Option<Arc<Guest>>,
    bytes: AtomicUsize,
    /// By their streams' places: no more than there are streams, whoever comes and goes.
    waiting: Mutex<BTreeMap<usize, Waker>>,
}

impl Ahead {
    pub(super) fn new(guest: Option<Arc<Guest>>) -> Self {
        Self { guest, bytes: AtomicUsize::new(0), waiting: Mutex::default() }
    }

    pub(super) fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::SeqCst);
        if before < STREAMS_WAIT_BYTES
            && before + bytes >= STREAMS_WAIT_BYTES
            && let Some(guest) = &self.guest
        {
            UNREAD.about(guest.address(), before + bytes);
        }
    }

    pub(super) fn remove(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let before = self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if before >= STREAMS_WAIT_BYTES && before - bytes < STREAMS_WAIT_BYTES {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            waiting.into_values().for_each(Waker::wake);
        }
    }

    /// Whether a stream may make more; if not, it is woken when it may.
    pub(super) fn has_room(&self, stream: StreamKey, context: &Context<'_>) -> bool {
        if self.bytes.load(Ordering::SeqCst) < STREAMS_WAIT_BYTES {
            return true;
        }
        let mut waiting = self.waiting.lock();
        // Who takes the last byte too many looks for waiters afterwards.
        if self.bytes.load(Ordering::SeqCst) < STREAMS_WAIT_BYTES {
            return true;
        }
        waiting.insert(stream.place(), context.waker().clone());
        false
    }

    pub(super) fn is_too_much(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > REFUSED_BYTES
    }
}
