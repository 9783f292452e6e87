//! The watches of every region on this node.

use std::collections::BTreeMap;
use std::sync::Arc;

use env::Moment;
use parking_lot::{Mutex, RwLock};
use state::response::Event;
use tokio::sync::Semaphore;
use types::{Code, Fault, RegionId, Revision};

use super::control::WatchControl;
use super::history::History;
use super::limits::WatchLimits;
use super::reader::WatchMessages;
use super::recent::Budget;
use super::region::Region;

/// Pushes the committed events of each region to whoever watches it. One per node.
///
/// Appliers call [`Self::publish`]; it queues, and never waits for a reader. Everything that may take
/// long (history, the records before) is done by the readers.
pub struct Hub {
    pub(super) limits: Arc<WatchLimits>,
    /// Those of regions that have a share of a keyspace's keys.
    pub(super) share_limits: Arc<WatchLimits>,
    history: Arc<dyn History>,
    readers: Arc<Semaphore>,
    /// What regions without a history on disk may keep.
    pub(super) budget: Arc<Budget>,
    pub(super) regions: RwLock<BTreeMap<RegionId, Arc<Region>>>,
    /// Those with streams, which the time is told to: most of many regions have none.
    streaming: Mutex<Vec<Arc<Region>>>,
    pub(super) now: Mutex<Moment>,
    /// When regions last gave up what is old.
    pub(super) aged: Mutex<Moment>,
    /// Why nothing can be opened any more.
    closed: Mutex<Option<Fault>>,
}

/// What a hub has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HubLoad {
    /// Streams that are open, each on one region.
    pub streams: usize,
    /// Watches on them.
    pub watches: usize,
    /// Those of them that are behind the live feed, and read from history.
    pub behind: usize,
}

impl Hub {
    /// A hub over `history`.
    #[must_use]
    pub fn new(limits: WatchLimits, history: Arc<dyn History>) -> Arc<Self> {
        let progress_interval = limits.share_progress_interval;
        Arc::new(Self {
            limits: Arc::new(limits),
            share_limits: Arc::new(WatchLimits { progress_interval, ..limits }),
            history,
            readers: Arc::new(Semaphore::new(limits.readers.max(1))),
            budget: Budget::new(limits.recent_region_bytes, limits.recent_bytes),
            regions: RwLock::default(),
            streaming: Mutex::default(),
            now: Mutex::default(),
            aged: Mutex::default(),
            closed: Mutex::default(),
        })
    }

    /// Pushes events of whole revisions, in order, up to `revision`, to whoever watches the region.
    /// Called by the one thread that applies the region's commands, after they can be read from the
    /// history. What was published before is passed over.
    ///
    /// # Panics
    /// If an event is newer than `revision`.
    pub fn publish(&self, region: RegionId, revision: Revision, events: &[Event]) {
        self.region(region, |_| revision, |found| found.publish(revision, events));
    }

    /// The region's state went to `revision` without its events having been published, because a
    /// snapshot was installed. Every watch reads what is in between from the history. Called where
    /// [`Self::publish`] is.
    pub fn jump(&self, region: RegionId, revision: Revision) {
        self.region(region, |_| revision, |found| found.jump(revision));
    }

    /// Opens a stream of watches on a region.
    ///
    /// # Errors
    /// `LimitReached`; `ShuttingDown`, or what [`Self::shutdown`] said.
    pub fn open(&self, region: RegionId) -> Result<(WatchControl, WatchMessages), Fault> {
        let opened =
            self.region(region, |history| history.revision(region), |found| self.stream(found));
        self.unless_closed(opened)
    }

    pub(super) fn stream(
        &self,
        region: &Arc<Region>,
    ) -> Result<(WatchControl, WatchMessages), Fault> {
        let now = *self.now.lock();
        let (stream, is_first) = region.open(now)?;
        if is_first {
            self.streaming.lock().push(Arc::clone(region));
        }
        let control = WatchControl { region: region.clone(), stream: stream.clone() };
        let messages = WatchMessages::new(region.clone(), stream, self.readers.clone());
        Ok((control, messages))
    }

    pub(super) fn unless_closed<T>(&self, opened: Result<T, Fault>) -> Result<T, Fault> {
        // Asked last: a shutdown meanwhile has not seen the stream.
        match self.closed.lock().clone() {
            Some(fault) => Err(fault),
            None => opened,
        }
    }

    /// Ends every watch of a region that this node gives up, with `fault` as the reason.
    pub fn close_region(&self, region: RegionId, fault: &Fault) {
        let removed = self.regions.write().remove(&region);
        if let Some(region) = removed {
            region.close(fault);
        }
    }

    /// Ends every watch; nothing can be opened any more.
    pub fn shutdown(&self) {
        let fault = Fault::from(Code::ShuttingDown);
        *self.closed.lock() = Some(fault.clone());
        let regions = core::mem::take(&mut *self.regions.write());
        for region in regions.into_values() {
            region.close(&fault);
        }
    }

    /// What it has to do. Looks at every stream: not for every second.
    #[must_use]
    pub fn load(&self) -> HubLoad {
        let regions: Vec<Arc<Region>> = self.regions.read().values().cloned().collect();
        let mut load = HubLoad::default();
        for region in regions {
            let streams: Vec<_> = region.lock().streams.values().cloned().collect();
            load.streams += streams.len();
            for stream in streams {
                let state = stream.state.lock();
                load.watches += state.watches.len();
                load.behind += state.lags.iter().map(|lag| lag.ids.len()).sum::<usize>();
            }
        }
        load
    }

    /// Sends the progress that is due. The driver calls this every now and then; periodic progress
    /// is late by at most the time between two calls.
    pub fn tick(&self, now: Moment) {
        *self.now.lock() = now;
        let streaming: Vec<Arc<Region>> = {
            let mut streaming = self.streaming.lock();
            streaming.retain(|region| region.is_streaming());
            streaming.clone()
        };
        for region in &streaming {
            region.tick(now);
        }
        self.age(now);
    }

    /// Does `work` on a region; one not seen before begins at the revision `begin` gives.
    ///
    /// Appliers come here too, so a region is known from its first publish on, and a stream opened
    /// later cannot begin before it.
    fn region<T>(
        &self,
        id: RegionId,
        begin: impl FnOnce(&dyn History) -> Revision,
        work: impl FnOnce(&Arc<Region>) -> T,
    ) -> T {
        let known = self.regions.read().get(&id).cloned();
        if let Some(region) = known {
            return work(&region);
        }
        // Asked before the lock is taken: the history may wait for an applier, and that for the lock.
        let (begin, now) = (begin(self.history.as_ref()), *self.now.lock());
        let region = Region::new(id, Arc::clone(&self.limits), self.history.clone(), begin, now);
        let region = self.regions.write().entry(id).or_insert_with(|| Arc::new(region)).clone();
        work(&region)
    }
}
