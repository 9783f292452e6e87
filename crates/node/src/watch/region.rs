//! The live feed of one region.

use std::collections::VecDeque;
use std::sync::Arc;

use env::Moment;
use parking_lot::Mutex;
use state::response::Event;
use types::{Code, Fault, KeyRange, RegionId, Revision};

use super::history::History;
use super::index::{Feed, Slot};
use super::limits::WatchLimits;
use super::live::Live;
use super::message::{WatchCreate, WatchMessage};
use super::recent::Recent;
use super::stream::{State, Stream};

/// One region's watches on this node.
pub(super) struct Region {
    pub(super) id: RegionId,
    pub(super) limits: Arc<WatchLimits>,
    pub(super) history: Arc<dyn History>,
    /// Its history, where that is in memory.
    pub(super) recent: Option<Arc<Recent>>,
    live: Mutex<Live>,
}

impl Region {
    pub(super) fn new(
        id: RegionId,
        limits: Arc<WatchLimits>,
        history: Arc<dyn History>,
        published: Revision,
        now: Moment,
    ) -> Self {
        let live = Live { published, now, ..Live::default() };
        Self { id, limits, history, recent: None, live: Mutex::new(live) }
    }

    /// A region that has `share` of a keyspace's keys.
    pub(super) fn of_share(
        id: RegionId,
        limits: Arc<WatchLimits>,
        recent: Arc<Recent>,
        share: KeyRange,
        now: Moment,
    ) -> Self {
        let published = recent.revision(id);
        let live = Live { published, now, share: Some(share), ..Live::default() };
        let history = Arc::clone(&recent) as Arc<dyn History>;
        Self { id, limits, history, recent: Some(recent), live: Mutex::new(live) }
    }

    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, Live> {
        self.live.lock()
    }

    /// Hands committed events to everybody who watches.
    pub(super) fn publish(&self, revision: Revision, events: &[Event]) {
        if let Some(last) = events.last() {
            let last = last.position.revision;
            assert!(last <= revision, "{last:?} published as part of {revision:?}, {}", self.id);
        }
        // First: whoever is left behind by these events finds them there.
        if let Some(recent) = &self.recent {
            recent.push(revision, events);
        }
        let mut woken = Vec::new();
        {
            let mut live = self.live.lock();
            let known = live.published;
            let fresh = events.partition_point(|event| event.position.revision <= known);
            live.published = known.max(revision);
            if fresh < events.len() && !live.index.is_empty() {
                live.deliver(&events[fresh..], &self.limits, &mut woken);
            }
        }
        for stream in woken {
            stream.notify.notify_one();
        }
    }

    /// The applied state went to `revision` without the events in between (a snapshot was installed):
    /// every watch reads them from history.
    pub(super) fn jump(&self, revision: Revision) {
        if let Some(recent) = &self.recent {
            recent.jump(revision);
        }
        let mut live = self.live.lock();
        let next = Revision(live.published.get() + 1);
        live.published = live.published.max(revision);
        if live.published < next {
            return;
        }
        let to = live.published;
        let mut left = Vec::new();
        for Slot { range, feeds, .. } in live.index.slots() {
            for Feed { filter, subscriptions } in feeds {
                let reached = subscriptions.extract_if(.., |_, sub| sub.waiting <= to);
                left.extend(reached.map(|(_, sub)| (range.clone(), *filter, sub)));
            }
        }
        for (range, filter, subscription) in left {
            live.index.prune(&range);
            let cursor = next.max(subscription.waiting);
            let mut state = subscription.stream.state.lock();
            state.leave_behind(range, filter, subscription.ids.to_vec(), cursor);
            drop(state);
            subscription.stream.notify.notify_one();
        }
    }

    /// Whether there are streams; if not, the next one is the first.
    pub(super) fn is_streaming(&self) -> bool {
        let mut live = self.live.lock();
        live.is_streaming = !live.streams.is_empty();
        live.is_streaming
    }

    /// Opens a stream; answers whether it is the first, so that the region has to be told the time from
    /// here on.
    pub(super) fn open(&self, now: Moment) -> Result<(Arc<Stream>, bool), Fault> {
        let mut live = self.live.lock();
        live.now = live.now.max(now);
        if let Some(fault) = &live.closed {
            return Err(fault.as_ref().clone());
        }
        if live.streams.len() >= self.limits.streams {
            return Err(Fault::new(Code::LimitReached, "too many watch streams"));
        }
        live.opened += 1;
        let stream = Arc::new(Stream::new(live.opened));
        live.streams.insert(stream.number, stream.clone());
        Ok((stream, !std::mem::replace(&mut live.is_streaming, true)))
    }

    /// Takes an order to a stream, if it is alive and has room for the answer.
    fn order<T>(
        &self,
        stream: &Arc<Stream>,
        work: impl FnOnce(&mut Live, &mut State) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut live = self.live.lock();
        let mut state = stream.state.lock();
        if state.ended {
            return Err(live
                .closed
                .as_deref()
                .cloned()
                .unwrap_or_else(|| Code::ShuttingDown.into()));
        }
        if state.orders >= self.limits.orders {
            return Err(Fault::new(Code::LimitReached, "too many watch requests under way"));
        }
        let done = work(&mut live, &mut state);
        drop((state, live));
        stream.notify.notify_one();
        done
    }

    /// Adds a watch.
    pub(super) fn create(&self, stream: &Arc<Stream>, create: WatchCreate) -> Result<(), Fault> {
        let compacted = self.history.compacted(self.id);
        self.order(stream, |live, state| {
            if state.watches.len() >= self.limits.watches {
                return Err(Fault::new(Code::LimitReached, "too many watches on the stream"));
            }
            let revision = live.published;
            let canceled = |id, compacted, fault| WatchMessage::Canceled {
                id,
                revision,
                compacted,
                fault: Some(fault),
            };
            if create.range.is_empty() {
                state.answer(canceled(-1, Revision(0), Code::EmptyWatchRange.into()));
                return Ok(());
            }
            if let Err(fault) = live.takes(&create) {
                state.answer(canceled(-1, Revision(0), fault));
                return Ok(());
            }
            let id = match state.choose_id(create.id) {
                Ok(id) => id,
                Err(fault) => {
                    state.answer(canceled(-1, Revision(0), fault));
                    return Ok(());
                }
            };
            state.answer(WatchMessage::Created { id, revision });
            if create.start != Revision(0) && create.start < compacted {
                state.answer(canceled(id, compacted, Code::Compacted.into()));
                return Ok(());
            }
            live.begin(stream, state, id, create, &self.limits);
            Ok(())
        })
    }

    /// Ends a watch.
    pub(super) fn cancel(&self, stream: &Arc<Stream>, id: i64) -> Result<(), Fault> {
        self.order(stream, |live, state| {
            let Some(watch) = state.watches.remove(&id) else { return Ok(()) };
            state.future.remove(&(watch.waiting, id));
            if !live.unsubscribe(stream, &watch, id) {
                state.forget_lag(id);
            }
            let revision = live.published;
            state.answer(WatchMessage::Canceled {
                id,
                revision,
                compacted: Revision(0),
                fault: None,
            });
            live.settle(stream.number, state);
            Ok(())
        })
    }

    /// Owes the stream a progress.
    pub(super) fn progress(&self, stream: &Arc<Stream>) -> Result<(), Fault> {
        self.order(stream, |live, state| {
            state.asked = true;
            live.settle(stream.number, state);
            Ok(())
        })
    }

    /// Ends a stream: nothing reaches it any more but what is queued.
    pub(super) fn leave(&self, stream: &Arc<Stream>) {
        let mut live = self.live.lock();
        let mut state = stream.state.lock();
        live.part(stream.number, &mut state);
        drop((state, live));
        stream.notify.notify_one();
    }

    /// Ends a stream whose events cannot be read, whatever is queued.
    pub(super) fn fail(&self, stream: &Arc<Stream>, fault: &Fault) {
        let mut live = self.live.lock();
        let mut state = stream.state.lock();
        let ended = live.part(stream.number, &mut state);
        state.take(&mut VecDeque::new());
        state.tell_end(ended, live.published, fault);
    }

    /// Ends every stream, with `fault` as the reason.
    pub(super) fn close(&self, fault: &Fault) {
        let mut live = self.live.lock();
        live.closed.get_or_insert_with(|| Box::new(fault.clone()));
        for stream in live.streams.values().cloned().collect::<Vec<_>>() {
            let mut state = stream.state.lock();
            let ended = live.part(stream.number, &mut state);
            state.tell_end(ended, live.published, fault);
            drop(state);
            stream.notify.notify_one();
        }
    }

    /// Tells idle watches how far they are, where it is time to.
    pub(super) fn tick(&self, now: Moment) {
        let mut live = self.live.lock();
        live.now = now;
        for number in live.asking.clone() {
            let Some(stream) = live.streams.get(&number).cloned() else {
                live.asking.remove(&number);
                continue;
            };
            live.settle(number, &mut stream.state.lock());
            stream.notify.notify_one();
        }
        while let Some(&(due, number)) = live.rounds.first().filter(|(due, _)| *due <= now) {
            live.rounds.remove(&(due, number));
            let Some(stream) = live.streams.get(&number).cloned() else { continue };
            let mut state = stream.state.lock();
            state.scheduled = live.round(number, &mut state);
            if state.scheduled {
                live.rounds.insert((now.after(self.limits.progress_interval), number));
            }
            drop(state);
            stream.notify.notify_one();
        }
    }
}
