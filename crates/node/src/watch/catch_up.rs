//! Reading what watches missed. Never on the applier's thread and never on a reactor's: a read is
//! planned under the locks, run on a thread that may block, and absorbed under the locks again.

use std::sync::Arc;

use types::{Code, Fault, KeyRange, Revision};

use super::batch::{Batch, Filter, Payload, pack};
use super::history::Page;
use super::message::WatchMessage;
use super::region::Region;
use super::stream::{Item, Lag, Stream};

/// Watches that share a read at most.
const SHARED: usize = 64;

/// A read of history for the watches of one stream that are behind. They share it: a region's history
/// lies in the order of revisions, so reading it once per watch would cost once per watch.
#[derive(Debug)]
pub(super) struct Plan {
    /// Never empty, ascending by cursor.
    lags: Vec<Planned>,
    to: Revision,
}

#[derive(Debug)]
struct Planned {
    number: u64,
    range: Arc<KeyRange>,
    filter: Filter,
    cursor: Revision,
}

/// What a read found.
#[derive(Debug)]
pub(super) struct Found {
    lags: Vec<FoundFor>,
    /// The watches that were planned; all may read again.
    planned: Vec<u64>,
}

#[derive(Debug)]
struct FoundFor {
    number: u64,
    result: Result<(Vec<Batch>, Revision), (Fault, Revision)>,
}

/// The smallest range around all.
fn hull(lags: &[Planned]) -> KeyRange {
    let mut hull = KeyRange::default();
    for (at, Planned { range, .. }) in lags.iter().enumerate() {
        if at == 0 {
            hull = range.as_ref().clone();
            continue;
        }
        hull.start = hull.start.min(range.start.clone());
        hull.end = match (hull.end, &range.end) {
            (Some(one), Some(other)) => Some(one.max(other.clone())),
            _ => None,
        };
    }
    hull
}

impl Plan {
    /// The next read for `stream`, if one of its watches is behind and may read.
    pub(super) fn of(region: &Region, stream: &Stream) -> Option<Self> {
        if stream.state.lock().lags.is_empty() {
            return None;
        }
        let live = region.lock();
        let mut state = stream.state.lock();
        let ready = |lag: &&Lag| !lag.reading && state.may_read(lag);
        let planned = |lag: &Lag| Planned {
            number: lag.number,
            range: lag.range.clone(),
            filter: lag.filter,
            cursor: lag.cursor,
        };
        let mut lags: Vec<Planned> = state.lags.iter().filter(ready).map(planned).collect();
        lags.sort_by_key(|lag| (lag.cursor, lag.number));
        lags.truncate(SHARED);
        if lags.is_empty() {
            return None;
        }
        for lag in &mut state.lags {
            lag.reading |= lags.iter().any(|planned| planned.number == lag.number);
        }
        Some(Self { lags, to: live.published })
    }

    /// The watches that read.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.lags.iter().map(|lag| lag.number).collect()
    }

    /// Reads; may block.
    pub(super) fn run(self, region: &Region) -> Found {
        let planned = self.numbers();
        let lags = match self.read(region) {
            Ok(page) => self.hand_out(page, region),
            Err(fault) => self.refuse(&fault, region),
        };
        Found { lags, planned }
    }

    fn read(&self, region: &Region) -> Result<Page, Fault> {
        let from = self.lags[0].cursor;
        let (range, bytes) = (hull(&self.lags), region.limits.page_bytes);
        let page = region.history.page(region.id, from, self.to, &range, bytes)?;
        assert!(page.next > from, "a page from {from:?} to {:?} ends at {:?}", self.to, page.next);
        Ok(page)
    }

    /// Gives every watch its part of the page, as long as that is not many times the page: the watches
    /// left out read it again.
    fn hand_out(&self, page: Page, region: &Region) -> Vec<FoundFor> {
        let next = page.next.min(Revision(self.to.get() + 1));
        let mut room = region.limits.page_bytes.saturating_mul(2);
        let mut found = Vec::new();
        for lag in self.lags.iter().take_while(|lag| lag.cursor < next) {
            let from = page.events.partition_point(|event| event.position.revision < lag.cursor);
            let wanted = page.events[from..].iter().filter(|event| {
                event.position.revision < next && lag.range.contains(&event.kv.key)
            });
            let batches = pack(wanted, lag.filter, region.limits.message_bytes);
            for batch in &batches {
                if let Payload::Bare(bare) = &batch.payload {
                    bare.fill(region.history.as_ref(), region.id);
                }
            }
            let bytes: usize = batches.iter().map(|batch| batch.bytes).sum();
            found.push(FoundFor { number: lag.number, result: Ok((batches, next)) });
            if bytes > room {
                break;
            }
            room -= bytes;
        }
        found
    }

    fn refuse(&self, fault: &Fault, region: &Region) -> Vec<FoundFor> {
        let mut compacted = Revision(0);
        let mut refused = self.lags.len();
        if fault.code == Code::Compacted {
            compacted = region.history.compacted(region.id);
            // The first in line is refused whatever the history says, or it would ask for ever.
            refused = self.lags.iter().filter(|lag| lag.cursor < compacted).count().max(1);
        }
        let refuse = |lag: &Planned| FoundFor {
            number: lag.number,
            result: Err((fault.clone(), compacted)),
        };
        self.lags[..refused].iter().map(refuse).collect()
    }
}

impl Found {
    /// The thread that read died: the watches end.
    pub(super) fn nothing(planned: Vec<u64>) -> Self {
        let fault = Fault::new(Code::Internal, "reading history for a watch died");
        let refuse =
            |number: &u64| FoundFor { number: *number, result: Err((fault.clone(), Revision(0))) };
        Self { lags: planned.iter().map(refuse).collect(), planned }
    }

    /// Moves the watches on, and into the live feed those that are up to date; answers what to send.
    pub(super) fn absorb(self, region: &Region, stream: &Arc<Stream>) -> Vec<Item> {
        let mut items = Vec::new();
        let mut live = region.lock();
        let mut state = stream.state.lock();
        for lag in &mut state.lags {
            lag.reading &= !self.planned.contains(&lag.number);
        }
        for FoundFor { number, result } in self.lags {
            let Some(at) = state.lags.iter().position(|lag| lag.number == number) else {
                continue; // canceled meanwhile
            };
            match result {
                Ok((batches, next)) => {
                    let lag = &mut state.lags[at];
                    lag.cursor = next;
                    let ids = Arc::new(lag.ids.clone());
                    let events = |batch| Item::Events { batch, ids: ids.clone() };
                    items.extend(batches.into_iter().map(events));
                    if next > live.published {
                        let lag = state.lags.swap_remove(at);
                        let ids = &lag.ids;
                        live.subscribe(stream, &lag.range, lag.filter, Revision(0), ids);
                    }
                }
                Err((fault, compacted)) => {
                    let revision = live.published;
                    for id in state.lags.swap_remove(at).ids {
                        state.watches.remove(&id);
                        let fault = Some(fault.clone());
                        let canceled = WatchMessage::Canceled { id, revision, compacted, fault };
                        items.push(Item::Message(canceled));
                    }
                }
            }
        }
        live.settle(stream.number, &mut state);
        items
    }
}
