//! The newest events of a region that keeps no history on disk: what a watch that was away for a moment, or
//! fell behind, still finds. Bounded in bytes for each region and for the node; what is dropped is told by
//! [`History::compacted`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use state::response::{Event, EventKind, KeyValue, Position};
use types::{Code, Fault, KeyRange, RegionId, Revision};

use super::history::{History, Page, event_bytes};

/// What an event costs beside its key and value.
const OVERHEAD: usize = std::mem::size_of::<Small>() + 16;
/// Events one page looks at.
const SCAN: usize = 4_096;

/// What all regions of a node may keep.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    /// Bytes of one region, and of all.
    region: usize,
    node: usize,
}

/// The newest events of one region.
#[derive(Debug)]
pub(super) struct Recent {
    budget: Arc<Budget>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Of whole revisions, ascending.
    events: VecDeque<Small>,
    bytes: usize,
    /// The first revision of which every event is here.
    oldest: Revision,
    newest: Revision,
    /// Where `newest` was at the last aging.
    mark: Revision,
}

/// An event in memory of its own: a slice would keep the whole message that it came with.
#[derive(Debug)]
struct Small {
    kind: EventKind,
    position: Position,
    created: Revision,
    version: i64,
    key_bytes: u32,
    /// Key, then value.
    text: Box<[u8]>,
}

impl Small {
    fn of(event: &Event) -> Self {
        let KeyValue { key, value, create_revision, version, .. } = &event.kv;
        let mut text = Vec::with_capacity(key.len() + value.len());
        text.extend_from_slice(key);
        text.extend_from_slice(value);
        Self {
            kind: event.kind,
            position: event.position,
            created: *create_revision,
            version: *version,
            key_bytes: u32::try_from(key.len()).unwrap_or(u32::MAX),
            text: text.into_boxed_slice(),
        }
    }

    fn key(&self) -> &[u8] {
        self.text.get(..self.key_bytes as usize).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.text.len() + OVERHEAD
    }

    fn event(&self) -> Event {
        let text = Bytes::copy_from_slice(&self.text);
        let at = (self.key_bytes as usize).min(text.len());
        let kv = KeyValue {
            key: text.slice(..at),
            value: text.slice(at..),
            create_revision: self.created,
            mod_revision: self.position.revision,
            version: self.version,
            ..KeyValue::default()
        };
        Event { kind: self.kind, kv, position: self.position, previous: None }
    }
}

impl Budget {
    pub(super) fn new(region: usize, node: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), region, node })
    }

    fn is_over(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.node
    }

    /// Whether it is time that regions which hardly change give up what is old.
    pub(super) fn is_scarce(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.node / 2
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Kept {
    /// Nothing, of a region that is at `revision`.
    fn nothing(revision: Revision) -> Self {
        let oldest = Revision(revision.get() + 1);
        Self { events: VecDeque::new(), bytes: 0, oldest, newest: revision, mark: revision }
    }

    /// Forgets the oldest revision; answers the bytes it had.
    fn forget_one(&mut self) -> usize {
        let Some(revision) = self.events.front().map(|event| event.position.revision) else {
            return 0;
        };
        let mut freed = 0;
        while let Some(event) = self.events.pop_front_if(|it| it.position.revision == revision) {
            freed += event.bytes();
        }
        self.oldest = Revision(revision.get() + 1);
        self.bytes -= freed;
        freed
    }
}

impl Recent {
    pub(super) fn new(budget: Arc<Budget>, revision: Revision) -> Self {
        Self { budget, kept: Mutex::new(Kept::nothing(revision)) }
    }

    /// Keeps events of whole revisions, up to `revision`, and forgets the oldest where that is too much.
    pub(super) fn push(&self, revision: Revision, events: &[Event]) {
        let kept = &mut *self.kept.lock();
        let known = kept.newest;
        let fresh = events.partition_point(|event| event.position.revision <= known);
        kept.newest = known.max(revision);
        if self.budget.region == 0 {
            kept.oldest = Revision(kept.newest.get() + 1);
            return;
        }
        let mut added = 0;
        for event in &events[fresh..] {
            let small = Small::of(event);
            added += small.bytes();
            kept.events.push_back(small);
        }
        kept.bytes += added;
        self.budget.take(added);
        while !kept.events.is_empty() && (kept.bytes > self.budget.region || self.budget.is_over())
        {
            self.budget.give(kept.forget_one());
        }
    }

    /// The region went to `revision` without its events.
    pub(super) fn jump(&self, revision: Revision) {
        let kept = &mut *self.kept.lock();
        if revision > kept.newest {
            self.budget.give(kept.bytes);
            *kept = Kept::nothing(revision);
        }
    }

    /// What a region begins with that took `range` of this one's keys; this one forgets it.
    pub(super) fn split_off(&self, range: &KeyRange) -> Self {
        let kept = &mut *self.kept.lock();
        let mut child = Kept::nothing(kept.newest);
        (child.oldest, child.mark) = (kept.oldest, kept.mark);
        let events = std::mem::take(&mut kept.events);
        (child.events, kept.events) = events.into_iter().partition(|it| range.contains(it.key()));
        child.bytes = child.events.iter().map(Small::bytes).sum();
        kept.bytes -= child.bytes;
        Self { budget: Arc::clone(&self.budget), kept: Mutex::new(child) }
    }

    /// Forgets what was here at the last call.
    pub(super) fn age(&self) {
        let kept = &mut *self.kept.lock();
        while kept.events.front().is_some_and(|event| event.position.revision <= kept.mark) {
            self.budget.give(kept.forget_one());
        }
        kept.mark = kept.newest;
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.budget.give(self.kept.get_mut().bytes);
    }
}

impl History for Recent {
    fn revision(&self, _: RegionId) -> Revision {
        self.kept.lock().newest
    }

    fn compacted(&self, _: RegionId) -> Revision {
        self.kept.lock().oldest
    }

    fn page(
        &self,
        _: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
        max_bytes: usize,
    ) -> Result<Page, Fault> {
        let kept = self.kept.lock();
        if from < kept.oldest {
            return Err(Code::Compacted.into());
        }
        let (mut events, mut bytes, mut last) = (Vec::new(), 0, from);
        let first = kept.events.partition_point(|event| event.position.revision < from);
        for (seen, event) in kept.events.range(first..).enumerate() {
            let revision = event.position.revision;
            if revision > to {
                break;
            }
            if revision > last && (bytes >= max_bytes || seen >= SCAN) {
                return Ok(Page { events, next: revision });
            }
            last = revision;
            if range.contains(event.key()) {
                let event = event.event();
                bytes += event_bytes(&event.kv);
                events.push(event);
            }
        }
        Ok(Page { events, next: Revision(to.get() + 1) })
    }

    fn record(&self, _: RegionId, _: Position) -> Result<Option<KeyValue>, Fault> {
        Ok(None)
    }
}
