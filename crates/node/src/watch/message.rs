//! What clients ask of watches and what they are told.

use std::sync::OnceLock;

use bytes::Bytes;
use std::sync::Arc;

use state::response::{EventKind, KeyValue};
use types::{Fault, KeyRange, Revision};

/// What a client asks of a new watch (etcd `WatchCreateRequest`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WatchCreate {
    /// The id the client wants; `None` lets the stream choose.
    pub id: Option<i64>,
    /// The keys watched.
    pub range: KeyRange,
    /// The first revision wanted; 0 for "from now on".
    pub start: Revision,
    /// Whether events carry the record as it was before.
    pub prev_kv: bool,
    /// Whether an idle watch is told from time to time how far it is.
    pub progress_notify: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletes out.
    pub no_delete: bool,
}

/// One event as a watcher gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventKind,
    /// The record after it.
    pub kv: KeyValue,
    /// The record before it, if asked for, if it existed, and if it was not compacted.
    pub prev_kv: Option<KeyValue>,
}

/// Events that any number of watches share, with a place for their encoded form, so that what a
/// thousand clients get is encoded once.
#[derive(Debug)]
pub struct SharedEvents {
    events: Vec<WatchEvent>,
    encoded: OnceLock<Bytes>,
}

impl SharedEvents {
    pub(super) fn new(events: Vec<WatchEvent>) -> Self {
        Self { events, encoded: OnceLock::new() }
    }

    /// The events; never empty, whole revisions, in order.
    #[must_use]
    pub fn events(&self) -> &[WatchEvent] {
        &self.events
    }

    /// The encoded form, made by `encode` the first time. There is one per batch, so every caller has
    /// to bring the same encoding: the front door with the most watchers, etcd's.
    pub fn encoded(&self, encode: impl FnOnce(&[WatchEvent]) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.events)).clone()
    }
}

impl PartialEq for SharedEvents {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

impl Eq for SharedEvents {}

impl core::ops::Deref for SharedEvents {
    type Target = [WatchEvent];

    fn deref(&self) -> &[WatchEvent] {
        &self.events
    }
}

/// What a watch stream sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchMessage {
    /// A watch exists now; always before its events.
    Created {
        /// Its id.
        id: i64,
        /// The keyspace's revision.
        revision: Revision,
    },
    /// Events of whole revisions, in order.
    Events {
        /// The watch.
        id: i64,
        /// The newest revision contained.
        revision: Revision,
        /// The events; never empty.
        events: Arc<SharedEvents>,
    },
    /// Everything up to `revision` was sent.
    Progress {
        /// The watch; -1 answers a request for the whole stream.
        id: i64,
        /// Up to here.
        revision: Revision,
    },
    /// The watch ended: cancelled by the client (`fault` is `None`), or because of `fault`.
    Canceled {
        /// The watch; -1 if it was never made.
        id: i64,
        /// The keyspace's revision.
        revision: Revision,
        /// With `Code::Compacted`: the oldest revision that can be watched from; else 0.
        compacted: Revision,
        /// Why, if it was not the client's wish.
        fault: Option<Fault>,
    },
}
