//! What the two halves of a watch stream and the region share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use types::{Code, Fault, KeyRange, Revision};

use super::batch::{Batch, Filter};
use super::limits::WatchLimits;
use super::message::WatchMessage;

/// One client's watches on one region.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) number: u64,
    /// Taken after the region's lock by whoever needs both.
    pub(super) state: Mutex<State>,
    /// Wakes the one reader.
    pub(super) notify: Notify,
}

/// A watch.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) range: Arc<KeyRange>,
    pub(super) filter: Filter,
    /// Its first revision if that was in the future at the start, else 0.
    pub(super) waiting: Revision,
    pub(super) progress: bool,
}

/// Watches that want the same of the same keys and are behind the live feed.
#[derive(Debug)]
pub(super) struct Lag {
    pub(super) number: u64,
    pub(super) range: Arc<KeyRange>,
    pub(super) filter: Filter,
    pub(super) ids: Vec<i64>,
    /// The next revision to read.
    pub(super) cursor: Revision,
    /// What was queued up to here comes first: it may hold older events of these watches.
    pub(super) after: u64,
    /// Whether a read is under way; nobody joins meanwhile.
    pub(super) reading: bool,
}

/// What waits for the reader.
#[derive(Debug)]
pub(super) enum Item {
    Message(WatchMessage),
    Events { batch: Batch, ids: Arc<Vec<i64>> },
}

/// The part under the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    batches: usize,
    /// Answers to orders in the queue.
    pub(super) orders: usize,
    /// Items ever queued, and how many of them the reader took.
    pushed: u64,
    taken: u64,
    pub(super) watches: BTreeMap<i64, Watch>,
    /// Watches whose first revision was in the future when last looked at.
    pub(super) future: BTreeSet<(Revision, i64)>,
    pub(super) lags: Vec<Lag>,
    next_id: i64,
    next_lag: u64,
    /// A round of progress is planned.
    pub(super) scheduled: bool,
    /// A progress for the whole stream is owed.
    pub(super) asked: bool,
    /// Nothing is queued any more; the reader ends when it has everything.
    pub(super) ended: bool,
    /// How far the last round of progress was.
    pub(super) told: Revision,
    /// The last publish that woke this stream.
    publish: u64,
}

/// What became of events offered to a stream.
pub(super) struct Offered {
    /// Whether the reader is still to be woken for this publish.
    pub(super) wake: bool,
    /// Whether the watches were left behind.
    pub(super) lags: bool,
}

impl Stream {
    pub(super) fn new(number: u64) -> Self {
        Self { number, state: Mutex::default(), notify: Notify::new() }
    }

    /// Queues live events for `ids`, or, where the queue is full, leaves these watches behind.
    pub(super) fn offer(
        &self,
        publish: u64,
        batches: &[Batch],
        ids: &Arc<Vec<i64>>,
        want: (&Arc<KeyRange>, Filter),
        limits: &WatchLimits,
    ) -> Offered {
        let mut state = self.state.lock();
        let wake = state.publish != publish;
        state.publish = publish;
        for batch in batches {
            let full = state.bytes.saturating_add(batch.bytes) > limits.queue_bytes
                || state.batches >= limits.queue_batches;
            if full && state.batches > 0 {
                state.leave_behind(want.0.clone(), want.1, ids.to_vec(), batch.first);
                return Offered { wake, lags: true };
            }
            state.bytes += batch.bytes;
            state.batches += 1;
            state.push(Item::Events { batch: batch.clone(), ids: ids.clone() });
        }
        Offered { wake, lags: false }
    }
}

impl State {
    fn push(&mut self, item: Item) {
        self.pushed += 1;
        self.queue.push_back(item);
    }

    /// Queues a message that no client ordered.
    pub(super) fn tell(&mut self, message: WatchMessage) {
        self.push(Item::Message(message));
    }

    /// Queues the answer to an order.
    pub(super) fn answer(&mut self, message: WatchMessage) {
        self.orders += 1;
        self.tell(message);
    }

    /// Queues the progress of the whole stream; one that is the last in the queue anyway is renewed.
    pub(super) fn tell_progress(&mut self, now: Revision) {
        self.asked = false;
        if let Some(Item::Message(WatchMessage::Progress { id: -1, revision })) =
            self.queue.back_mut()
        {
            *revision = now;
        } else {
            self.tell(WatchMessage::Progress { id: -1, revision: now });
        }
    }

    /// Takes everything there is.
    pub(super) fn take(&mut self, into: &mut VecDeque<Item>) {
        (self.bytes, self.batches, self.orders, self.taken) = (0, 0, 0, self.pushed);
        if into.is_empty() {
            core::mem::swap(&mut self.queue, into);
        } else {
            into.append(&mut self.queue);
        }
    }

    /// Queues the end of every watch.
    pub(super) fn tell_end(&mut self, ids: Vec<i64>, revision: Revision, fault: &Fault) {
        for id in ids {
            let (compacted, fault) = (Revision(0), Some(fault.clone()));
            self.tell(WatchMessage::Canceled { id, revision, compacted, fault });
        }
    }

    /// Whether nothing comes any more.
    pub(super) fn is_finished(&self) -> bool {
        self.ended && self.queue.is_empty()
    }

    /// Whether nothing waits for the reader.
    pub(super) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether everything queued before `lag` fell behind is with the reader.
    pub(super) fn may_read(&self, lag: &Lag) -> bool {
        lag.after <= self.taken
    }

    /// Makes watches read from history, from `cursor` on; with others that are there already.
    pub(super) fn leave_behind(
        &mut self,
        range: Arc<KeyRange>,
        filter: Filter,
        ids: Vec<i64>,
        cursor: Revision,
    ) {
        let same = |lag: &&mut Lag| {
            !lag.reading && lag.cursor == cursor && lag.filter == filter && lag.range == range
        };
        let after = self.pushed;
        if let Some(lag) = self.lags.iter_mut().find(same) {
            lag.ids.extend(ids);
            lag.after = after;
        } else {
            let number = self.next_lag;
            self.next_lag += 1;
            self.lags.push(Lag { number, range, filter, ids, cursor, after, reading: false });
        }
    }

    /// Takes a watch out of those that are behind.
    pub(super) fn forget_lag(&mut self, id: i64) {
        for lag in &mut self.lags {
            lag.ids.retain(|other| *other != id);
        }
        self.lags.retain(|lag| !lag.ids.is_empty());
    }

    /// Whether everything up to `published` is queued for every watch, and none starts later.
    pub(super) fn is_synced(&mut self, published: Revision) -> bool {
        while self.future.first().is_some_and(|(start, _)| *start <= published) {
            self.future.pop_first();
        }
        self.lags.is_empty() && self.future.is_empty()
    }

    /// The id for a new watch.
    pub(super) fn choose_id(&mut self, wanted: Option<i64>) -> Result<i64, Fault> {
        match wanted {
            Some(-1) => Err(Fault::new(Code::InvalidArgument, "watch id -1 is reserved")),
            Some(id) if self.watches.contains_key(&id) => Err(Code::DuplicateWatch.into()),
            Some(id) => Ok(id),
            None => {
                while self.watches.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id += 1;
                Ok(self.next_id - 1)
            }
        }
    }

    /// Messages with events that wait for the reader, and their bytes.
    pub(super) fn waits(&self) -> (usize, usize) {
        (self.batches, self.bytes)
    }

    /// Items ever queued.
    #[cfg(test)]
    pub(super) fn queued(&self) -> u64 {
        self.pushed
    }

    /// Bytes of events in the queue.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes
    }
}
