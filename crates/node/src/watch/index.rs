//! Who watches what, by range: an event is matched once for everybody who watches the same keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use state::response::Event;
use types::{KeyRange, Revision};

use super::batch::Filter;
use super::interval::Intervals;
use super::stream::Stream;

/// The watches of one stream that want the same of the same keys from the live feed.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) stream: Arc<Stream>,
    /// Ascending. Shared with what waits in the stream's queue, copied when changed meanwhile.
    pub(super) ids: Arc<Vec<i64>>,
    /// The first revision wanted, as long as it is in the future; else 0.
    pub(super) waiting: Revision,
    /// Whether it was sent anything since the last round of progress.
    pub(super) active: bool,
}

/// The stream, and the first revision wanted if it was in the future at the start.
pub(super) type SubscriptionKey = (u64, Revision);

/// Everybody who wants the same of the same keys.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) filter: Filter,
    pub(super) subscriptions: BTreeMap<SubscriptionKey, Subscription>,
}

/// Everybody who wants something of the same keys.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) range: Arc<KeyRange>,
    pub(super) feeds: Vec<Feed>,
    /// Which events of the batch at hand lie in the range.
    pub(super) hits: Vec<u32>,
}

/// The live watches of a region. Of 10,000 regions hardly any has one: the tables are there while it has.
#[derive(Debug, Default)]
pub(super) struct Index(Option<Box<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Ranges of a single key, by that key.
    single: HashMap<Bytes, u32>,
    /// All other ranges.
    intervals: Intervals,
}

/// The key, if `range` holds just one.
fn single_key(range: &KeyRange) -> Option<&Bytes> {
    let end = range.end.as_ref()?;
    let (last, front) = end.split_last()?;
    (*last == 0 && front == range.start.as_ref()).then_some(&range.start)
}

impl Index {
    /// Whether nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The feed for `filter` of `range`.
    pub(super) fn get(&mut self, range: &KeyRange, filter: Filter) -> Option<&mut Feed> {
        self.0.as_mut()?.get(range, filter)
    }

    /// The slot with a number that [`Self::sort`] gave.
    pub(super) fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        self.0.as_mut()?.slot(number)
    }

    /// The feed for `filter` of `range`, made if it is not there, and the range as it is kept.
    pub(super) fn entry(
        &mut self,
        range: &Arc<KeyRange>,
        filter: Filter,
    ) -> (Arc<KeyRange>, &mut Feed) {
        self.0.get_or_insert_default().entry(range, filter)
    }

    /// Removes the feeds of `range` nobody listens to, and the range with its last feed.
    pub(super) fn prune(&mut self, range: &KeyRange) {
        let Some(tables) = &mut self.0 else { return };
        tables.prune(range);
        if tables.is_empty() {
            self.0 = None;
        }
    }

    /// Notes with every slot which of `events` lie in its range; answers the slots that got any.
    pub(super) fn sort(&mut self, events: &[Event]) -> Vec<u32> {
        self.0.as_mut().map_or_else(Vec::new, |tables| tables.sort(events))
    }

    /// Every range with its feeds.
    pub(super) fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.0.iter_mut().flat_map(|tables| tables.slots.iter_mut().flatten())
    }
}

impl Tables {
    fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    fn number(&self, range: &KeyRange) -> Option<u32> {
        match single_key(range) {
            Some(key) => self.single.get(key).copied(),
            None => self.intervals.get(range),
        }
    }

    fn get(&mut self, range: &KeyRange, filter: Filter) -> Option<&mut Feed> {
        let slot = self.slot(self.number(range)?)?;
        slot.feeds.iter_mut().find(|feed| feed.filter == filter)
    }

    fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    fn entry(&mut self, range: &Arc<KeyRange>, filter: Filter) -> (Arc<KeyRange>, &mut Feed) {
        let number = self.number(range).unwrap_or_else(|| self.add(range));
        let Some(slot) = self.slots[number as usize].as_mut() else {
            unreachable!("{range:?} leads to slot {number}, which is free");
        };
        let at = slot.feeds.iter().position(|feed| feed.filter == filter).unwrap_or_else(|| {
            slot.feeds.push(Feed { filter, subscriptions: BTreeMap::new() });
            slot.feeds.len() - 1
        });
        (slot.range.clone(), &mut slot.feeds[at])
    }

    fn add(&mut self, range: &Arc<KeyRange>) -> u32 {
        let slot = Slot { range: range.clone(), feeds: Vec::new(), hits: Vec::new() };
        let number = if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(slot);
            number
        } else {
            self.slots.push(Some(slot));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        assert!(number != u32::MAX, "more than {number} ranges are watched");
        match single_key(range) {
            Some(key) => {
                self.single.insert(key.clone(), number);
            }
            None => self.intervals.insert(range.as_ref().clone(), number),
        }
        number
    }

    fn prune(&mut self, range: &KeyRange) {
        let Some(number) = self.number(range) else { return };
        let Some(slot) = self.slot(number) else { return };
        slot.feeds.retain(|feed| !feed.subscriptions.is_empty());
        if slot.feeds.is_empty() {
            self.slots[number as usize] = None;
            self.free.push(number);
            match single_key(range) {
                Some(key) => {
                    self.single.remove(key);
                }
                None => self.intervals.remove(range),
            }
        }
    }

    fn sort(&mut self, events: &[Event]) -> Vec<u32> {
        let mut touched = Vec::new();
        let slots = &mut self.slots;
        for (at, event) in (0_u32..).zip(events) {
            let mut note = |number: u32| {
                if let Some(slot) = &mut slots[number as usize] {
                    if slot.hits.is_empty() {
                        touched.push(number);
                    }
                    slot.hits.push(at);
                }
            };
            if let Some(number) = self.single.get(&event.kv.key) {
                note(*number);
            }
            self.intervals.around(&event.kv.key, &mut note);
        }
        touched
    }
}
