//! Events on their way to watches that want the same of the same keys.

use std::sync::{Arc, OnceLock};

use state::response::{Event, EventKind};
use types::{Code, Fault, RegionId, Revision};

use super::history::{History, event_bytes};
use super::message::{SharedEvents, WatchCreate, WatchEvent};

/// Which events a watch wants, and with what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Filter {
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
}

impl Filter {
    pub(super) fn of(create: &WatchCreate) -> Self {
        let WatchCreate { no_put, no_delete, prev_kv, .. } = *create;
        Self { no_put, no_delete, prev_kv }
    }

    fn admits(self, event: &Event) -> bool {
        match event.kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        }
    }
}

/// Events of whole revisions, as many as fit into one message.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) payload: Payload,
    pub(super) bytes: usize,
    pub(super) first: Revision,
    pub(super) last: Revision,
}

/// The events of a batch.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Whole(Arc<SharedEvents>),
    /// The records before are still to be read.
    Bare(Arc<Bare>),
}

/// Events whose watchers want to see the records before. Nobody reads them on the applier's thread;
/// the first stream that delivers them does, for all.
#[derive(Debug)]
pub(super) struct Bare {
    events: Vec<Event>,
    whole: OnceLock<Result<Arc<SharedEvents>, Fault>>,
}

impl Bare {
    /// The events with the records before, if somebody read them already.
    pub(super) fn whole(&self) -> Option<&Result<Arc<SharedEvents>, Fault>> {
        self.whole.get()
    }

    /// Reads the records before; may block.
    pub(super) fn fill(&self, history: &dyn History, region: RegionId) {
        self.whole.get_or_init(|| {
            let mut events = Vec::with_capacity(self.events.len());
            for event in &self.events {
                let prev_kv = match event.previous {
                    None => None,
                    Some(position) => match history.record(region, position) {
                        Ok(record) => record,
                        Err(fault) if fault.code == Code::Compacted => None,
                        Err(fault) => return Err(fault),
                    },
                };
                events.push(WatchEvent { kind: event.kind, kv: event.kv.clone(), prev_kv });
            }
            Ok(Arc::new(SharedEvents::new(events)))
        });
    }

    /// Settles events whose records before could not be read: the reading thread died.
    pub(super) fn give_up(&self) {
        self.whole.get_or_init(|| Err(Fault::new(Code::Internal, "reading for a watch died")));
    }
}

/// Packs what `filter` admits of `events` into batches of at most `max_bytes`. A revision is never
/// split, so one that is larger is a batch of its own.
pub(super) fn pack<'a>(
    events: impl Iterator<Item = &'a Event>,
    filter: Filter,
    max_bytes: usize,
) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut open: Vec<&Event> = Vec::new();
    // Where the newest revision begins in `open`, and the bytes before it.
    let (mut mark, mut bytes_before, mut bytes) = (0, 0, 0);
    for event in events.filter(|event| filter.admits(event)) {
        if open.last().is_some_and(|last| last.position.revision != event.position.revision) {
            (mark, bytes_before) = (open.len(), bytes);
        }
        open.push(event);
        bytes += event_bytes(&event.kv);
        if bytes > max_bytes && mark > 0 {
            let rest = open.split_off(mark);
            batches.extend(seal(&open, bytes_before, filter));
            bytes -= bytes_before;
            (open, mark, bytes_before) = (rest, 0, 0);
        }
    }
    batches.extend(seal(&open, bytes, filter));
    batches
}

fn seal(events: &[&Event], bytes: usize, filter: Filter) -> Option<Batch> {
    let (first, last) = (events.first()?.position.revision, events.last()?.position.revision);
    let payload = if filter.prev_kv && events.iter().any(|event| event.previous.is_some()) {
        let events = events.iter().map(|event| (*event).clone()).collect();
        Payload::Bare(Arc::new(Bare { events, whole: OnceLock::new() }))
    } else {
        let event =
            |event: &&Event| WatchEvent { kind: event.kind, kv: event.kv.clone(), prev_kv: None };
        Payload::Whole(Arc::new(SharedEvents::new(events.iter().map(event).collect())))
    };
    Some(Batch { payload, bytes, first, last })
}
