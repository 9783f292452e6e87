//! A history in memory and a hub over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use state::response::{Event, EventKind, KeyValue, Position};
use types::{Code, Fault, KeyRange, RegionId, Revision};

use crate::watch::{
    History, Hub, Page, WatchControl, WatchCreate, WatchEvent, WatchLimits, WatchMessage,
    WatchMessages, event_bytes,
};

pub(super) const REGION: RegionId = RegionId(7);

/// Small enough that a handful of events meets every bound.
pub(super) const TIGHT: WatchLimits = WatchLimits {
    streams: 64,
    watches: 64,
    orders: 16,
    queue_bytes: 4_000,
    queue_batches: 8,
    message_bytes: 1_000,
    page_bytes: 2_000,
    readers: 2,
    progress_interval: core::time::Duration::from_secs(60),
    share_progress_interval: core::time::Duration::from_secs(1),
    recent_region_bytes: 4_000,
    recent_bytes: 6_000,
};

#[derive(Default)]
struct Kept {
    revision: Revision,
    compacted: Revision,
    events: Vec<Event>,
    latest: BTreeMap<Bytes, Position>,
}

/// Every event ever written, in order. What is below the compacted revision is refused, not removed.
#[derive(Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
    /// Events one page looks at.
    scan: usize,
    pub(super) pages: AtomicUsize,
    pub(super) records: AtomicUsize,
    /// Compacts to this revision when the next page is read.
    pub(super) compact_under_way: Mutex<Option<Revision>>,
}

/// What a write does to a key.
pub(super) enum Write<'a> {
    Put(&'a str, &'a str),
    Delete(&'a str),
}

impl Memory {
    /// Applies one transaction as the next revision.
    pub(super) fn apply(&self, writes: &[Write<'_>]) -> (Revision, Vec<Event>) {
        let mut kept = self.kept.lock();
        kept.revision.0 += 1;
        let revision = kept.revision;
        let mut events = Vec::new();
        for (sub, write) in (0_u32..).zip(writes) {
            let position = Position { revision, sub };
            let (kind, key, value) = match *write {
                Write::Put(key, value) => (EventKind::Put, key, value),
                Write::Delete(key) => (EventKind::Delete, key, ""),
            };
            let key = Bytes::copy_from_slice(key.as_bytes());
            let previous = match kind {
                EventKind::Put => kept.latest.insert(key.clone(), position),
                EventKind::Delete => kept.latest.remove(&key),
            };
            let value = Bytes::copy_from_slice(value.as_bytes());
            let kv = KeyValue { key, value, mod_revision: revision, ..KeyValue::default() };
            events.push(Event { kind, kv, position, previous });
        }
        kept.events.extend(events.iter().cloned());
        (revision, events)
    }

    pub(super) fn compact(&self, revision: Revision) {
        self.kept.lock().compacted = revision;
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.kept.lock().events.clone()
    }
}

impl History for Memory {
    fn revision(&self, _: RegionId) -> Revision {
        self.kept.lock().revision
    }

    fn compacted(&self, _: RegionId) -> Revision {
        self.kept.lock().compacted
    }

    fn page(
        &self,
        region: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
        max_bytes: usize,
    ) -> Result<Page, Fault> {
        assert_eq!(region, REGION);
        self.pages.fetch_add(1, Ordering::Relaxed);
        if let Some(revision) = self.compact_under_way.lock().take() {
            self.compact(revision);
        }
        let kept = self.kept.lock();
        if from < kept.compacted {
            return Err(Code::Compacted.into());
        }
        let (mut events, mut bytes, mut next) = (Vec::new(), 0, from);
        let start = kept.events.partition_point(|event| event.position.revision < from);
        for (seen, event) in kept.events[start..].iter().enumerate() {
            let revision = event.position.revision;
            if revision > to {
                break;
            }
            if revision >= next {
                if revision > from && (bytes >= max_bytes || seen >= self.scan.max(1)) {
                    return Ok(Page { events, next: revision });
                }
                next = Revision(revision.0 + 1);
            }
            if range.contains(&event.kv.key) {
                bytes += event_bytes(&event.kv);
                events.push(event.clone());
            }
        }
        Ok(Page { events, next: Revision(to.0 + 1) })
    }

    fn record(&self, _: RegionId, position: Position) -> Result<Option<KeyValue>, Fault> {
        self.records.fetch_add(1, Ordering::Relaxed);
        let kept = self.kept.lock();
        let found = kept.events.iter().find(|event| event.position == position);
        let found = found.filter(|_| position.revision >= kept.compacted);
        Ok(found.map(|event| event.kv.clone()))
    }
}

pub(super) struct World {
    pub(super) memory: Arc<Memory>,
    pub(super) hub: Arc<Hub>,
}

impl World {
    pub(super) fn new(limits: WatchLimits) -> Self {
        Self::over(limits, usize::MAX)
    }

    /// A page of its history looks at `scan` events at most, and ends with a whole revision.
    pub(super) fn over(limits: WatchLimits, scan: usize) -> Self {
        let memory = Arc::new(Memory { scan, ..Memory::default() });
        Self { hub: Hub::new(limits, memory.clone()), memory }
    }

    pub(super) fn open(&self) -> (WatchControl, WatchMessages) {
        self.hub.open(REGION).expect("a stream")
    }

    /// Applies and publishes one transaction.
    pub(super) fn write(&self, writes: &[Write<'_>]) -> Revision {
        let (revision, events) = self.memory.apply(writes);
        self.hub.publish(REGION, revision, &events);
        revision
    }

    pub(super) fn put(&self, key: &str, value: &str) -> Revision {
        self.write(&[Write::Put(key, value)])
    }
}

pub(super) fn single(key: &str) -> KeyRange {
    KeyRange::single(&Bytes::copy_from_slice(key.as_bytes()))
}

pub(super) fn between(start: &str, end: &str) -> KeyRange {
    KeyRange {
        start: Bytes::copy_from_slice(start.as_bytes()),
        end: Some(Bytes::copy_from_slice(end.as_bytes())),
    }
}

pub(super) fn watch(range: KeyRange, start: i64) -> WatchCreate {
    WatchCreate { range, start: Revision(start), ..WatchCreate::default() }
}

/// Everything there is, as short lines.
pub(super) fn drain(messages: &mut WatchMessages) -> Vec<String> {
    core::iter::from_fn(|| messages.poll_blocking()).map(|message| line(&message)).collect()
}

pub(super) fn line(message: &WatchMessage) -> String {
    match message {
        WatchMessage::Created { id, revision } => format!("{id} created at {revision}"),
        WatchMessage::Progress { id, revision } => format!("{id} progress {revision}"),
        WatchMessage::Events { id, revision, events } => {
            let events: Vec<String> = events.iter().map(event).collect();
            format!("{id} up to {revision}: {}", events.join(" "))
        }
        WatchMessage::Canceled { id, revision, compacted, fault } => {
            let why = fault.as_ref().map_or("as asked".into(), |fault| format!("{:?}", fault.code));
            let compacted = if compacted.0 == 0 { String::new() } else { format!(" {compacted}") };
            format!("{id} canceled at {revision}: {why}{compacted}")
        }
    }
}

fn event(event: &WatchEvent) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let key = text(&event.kv.key);
    let before = event.prev_kv.as_ref().map_or(String::new(), |kv| format!("<{}", text(&kv.value)));
    match event.kind {
        EventKind::Put => format!("{key}={}{before}", text(&event.kv.value)),
        EventKind::Delete => format!("-{key}{before}"),
    }
}
