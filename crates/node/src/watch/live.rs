//! Who listens to a region's live feed, and how far that feed is: all that is under the region's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use env::Moment;
use state::response::Event;
use types::{Fault, KeyRange, Revision};

use super::batch::{Filter, pack};
use super::index::{Index, Subscription};
use super::limits::WatchLimits;
use super::message::{WatchCreate, WatchMessage};
use super::stream::{State, Stream, Watch};

/// The part of a region that is under its lock.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Everything up to here was handed to the live feed.
    pub(super) published: Revision,
    pub(super) index: Index,
    /// The streams that are alive, by number.
    pub(super) streams: BTreeMap<u64, Arc<Stream>>,
    /// Streams ever opened.
    pub(super) opened: u64,
    /// Counts publishes, so that each wakes a stream once.
    pub(super) publish: u64,
    /// Why the region is closed, if it is.
    pub(super) closed: Option<Box<Fault>>,
    /// The keys of the region, where it is one of several of a keyspace.
    pub(super) share: Option<KeyRange>,
    /// When which stream is next told how far it is.
    pub(super) rounds: BTreeSet<(Moment, u64)>,
    /// Streams that are owed a progress.
    pub(super) asking: BTreeSet<u64>,
    /// The moment of the last tick.
    pub(super) now: Moment,
    /// Whether it is told the time.
    pub(super) is_streaming: bool,
}

impl Live {
    /// Queues fresh events with everybody who wants them; `woken` gets each stream once.
    pub(super) fn deliver(
        &mut self,
        events: &[Event],
        limits: &WatchLimits,
        woken: &mut Vec<Arc<Stream>>,
    ) {
        self.publish += 1;
        for number in self.index.sort(events) {
            let Some(slot) = self.index.slot(number) else { continue };
            let mut emptied = false;
            for feed in &mut slot.feeds {
                let hits = || slot.hits.iter().map(|at| &events[*at as usize]);
                let all = pack(hits(), feed.filter, limits.message_bytes);
                let Some(first) = all.first().map(|batch| batch.first) else { continue };
                feed.subscriptions.retain(|_, sub| {
                    let later;
                    let batches = if sub.waiting > first {
                        let wanted = hits().filter(|event| event.position.revision >= sub.waiting);
                        later = pack(wanted, feed.filter, limits.message_bytes);
                        if later.is_empty() {
                            return true;
                        }
                        &later
                    } else {
                        &all
                    };
                    (sub.waiting, sub.active) = (Revision(0), true);
                    let want = (&slot.range, feed.filter);
                    let offered = sub.stream.offer(self.publish, batches, &sub.ids, want, limits);
                    if offered.wake {
                        woken.push(sub.stream.clone());
                    }
                    !offered.lags
                });
                emptied |= feed.subscriptions.is_empty();
            }
            slot.hits.clear();
            if emptied {
                let range = slot.range.clone();
                self.index.prune(&range);
            }
        }
    }

    /// Puts a new watch where its start is: into the live feed or behind it.
    pub(super) fn begin(
        &mut self,
        stream: &Arc<Stream>,
        state: &mut State,
        id: i64,
        create: WatchCreate,
        limits: &WatchLimits,
    ) {
        let filter = Filter::of(&create);
        let (start, next) = (create.start, Revision(self.published.get() + 1));
        let waiting = if start > next { start } else { Revision(0) };
        if waiting != Revision(0) {
            state.future.insert((waiting, id));
        }
        let mut range = Arc::new(create.range);
        if start == Revision(0) || start >= next {
            range = self.subscribe(stream, &range, filter, waiting, &[id]);
        } else {
            state.leave_behind(range.clone(), filter, vec![id], start.max(Revision(1)));
        }
        let progress = create.progress_notify;
        if progress && !state.scheduled {
            state.scheduled = true;
            self.rounds.insert((self.now.after(limits.progress_interval), stream.number));
        }
        state.watches.insert(id, Watch { range, filter, waiting, progress });
    }

    /// Adds watches to the live feed; answers the range as it is kept there.
    pub(super) fn subscribe(
        &mut self,
        stream: &Arc<Stream>,
        range: &Arc<KeyRange>,
        filter: Filter,
        waiting: Revision,
        ids: &[i64],
    ) -> Arc<KeyRange> {
        let (range, feed) = self.index.entry(range, filter);
        let subscription =
            feed.subscriptions.entry((stream.number, waiting)).or_insert_with(|| Subscription {
                stream: stream.clone(),
                ids: Arc::default(),
                waiting,
                active: false,
            });
        let kept = Arc::make_mut(&mut subscription.ids);
        for id in ids {
            let at = kept.partition_point(|other| other < id);
            kept.insert(at, *id);
        }
        range
    }

    /// Takes a watch out of the live feed; answers whether it was there.
    pub(super) fn unsubscribe(&mut self, stream: &Arc<Stream>, watch: &Watch, id: i64) -> bool {
        let Some(subscription) = self.subscription(stream.number, watch, id) else { return false };
        Arc::make_mut(&mut subscription.ids).retain(|other| *other != id);
        if subscription.ids.is_empty()
            && let Some(feed) = self.index.get(&watch.range, watch.filter)
        {
            let of_stream = (stream.number, Revision(0))..=(stream.number, watch.waiting);
            let empty = |_: &_, subscription: &mut Subscription| subscription.ids.is_empty();
            feed.subscriptions.extract_if(of_stream, empty).for_each(drop);
            self.index.prune(&watch.range);
        }
        true
    }

    /// Takes everything out of the live feed that a stream with `watch` listens to like it.
    pub(super) fn drop_subscription(&mut self, stream: u64, watch: &Watch) {
        let Some(feed) = self.index.get(&watch.range, watch.filter) else { return };
        feed.subscriptions.remove(&(stream, watch.waiting));
        feed.subscriptions.remove(&(stream, Revision(0)));
        if feed.subscriptions.is_empty() {
            self.index.prune(&watch.range);
        }
    }

    /// Where a watch listens, if it is in the live feed. One with the same wishes may be there while
    /// this one is behind.
    fn subscription(&mut self, stream: u64, watch: &Watch, id: i64) -> Option<&mut Subscription> {
        let feed = self.index.get(&watch.range, watch.filter)?;
        let listens = |key: &(u64, Revision)| {
            let found = feed.subscriptions.get(key);
            found.is_some_and(|subscription| subscription.ids.binary_search(&id).is_ok())
        };
        let key = [watch.waiting, Revision(0)].map(|waiting| (stream, waiting));
        let key = key.into_iter().find(listens)?;
        feed.subscriptions.get_mut(&key)
    }

    /// Queues the progress that is owed, if everything it speaks of is queued.
    pub(super) fn settle(&mut self, number: u64, state: &mut State) {
        if !state.asked {
            return;
        }
        if state.is_synced(self.published) {
            state.tell_progress(self.published);
            self.asking.remove(&number);
        } else {
            self.asking.insert(number);
        }
    }

    /// Takes a stream out of the region; answers the watches it had.
    pub(super) fn part(&mut self, number: u64, state: &mut State) -> Vec<i64> {
        state.ended = true;
        self.streams.remove(&number);
        self.asking.remove(&number);
        state.lags = Vec::new();
        let watches = core::mem::take(&mut state.watches);
        for watch in watches.values() {
            self.drop_subscription(number, watch);
        }
        watches.into_keys().collect()
    }

    /// A round of progress: tells every watch that asked for it, has caught up and was sent nothing
    /// since the last round. Answers whether any watch asked. A reader that has not taken what is
    /// queued needs no news.
    pub(super) fn round(&mut self, number: u64, state: &mut State) -> bool {
        let revision = self.published;
        let asked = state.watches.iter().filter(|(_, watch)| watch.progress);
        let mut idle = Vec::new();
        for (id, watch) in asked.clone() {
            let reached = watch.waiting.get() <= revision.get() + 1;
            if reached && self.subscription(number, watch, *id).is_some_and(|found| !found.active) {
                idle.push(*id);
            }
        }
        for (id, watch) in asked.clone() {
            if let Some(subscription) = self.subscription(number, watch, *id) {
                subscription.active = false;
            }
        }
        let any = asked.count() > 0;
        // Where many regions are watched at once, silence is no news.
        let is_news = self.share.is_none() || state.told < revision;
        if state.is_drained() && is_news {
            state.told = revision;
            for id in idle {
                state.tell(WatchMessage::Progress { id, revision });
            }
        }
        any
    }
}
