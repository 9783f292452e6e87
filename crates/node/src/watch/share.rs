//! Regions of sharded keyspaces: each has a share of the keys, which a split makes smaller, and the newest
//! events only. A watch lies within one region; when its keys are another one's, it ends, and says how far
//! it came.

use std::sync::Arc;

use core::time::Duration;
use env::Moment;
use types::{Code, Fault, KeyRange, RegionId, Revision};

use super::control::WatchControl;
use super::hub::Hub;
use super::live::Live;
use super::message::{WatchCreate, WatchMessage};
use super::reader::WatchMessages;
use super::recent::Recent;
use super::region::Region;

/// Between two times that regions give up what is old, while memory for it is scarce.
const AGING: Duration = Duration::from_secs(60);

impl Hub {
    /// A region begins here that has `share` of a keyspace's keys, at `revision`. What it has already, as
    /// the child of a split, stays.
    pub fn begin_share(&self, region: RegionId, revision: Revision, share: KeyRange) {
        let recent = Recent::new(Arc::clone(&self.budget), revision);
        let begun = self.share(region, recent, share);
        let mut regions = self.regions.write();
        let known = regions.get(&region);
        let is_here =
            known.is_some_and(|it| it.recent.is_some() && it.history.revision(region) == revision);
        let before = if is_here { None } else { regions.insert(region, begun) };
        drop(regions);
        if let Some(before) = before {
            before.close(&Code::RegionNotFound.into());
        }
    }

    /// A region was split at `revision`, the events up to which were published: it keeps `kept`, and
    /// `child`, if it begins here, goes on with the rest.
    pub fn split_share(
        &self,
        region: RegionId,
        revision: Revision,
        kept: KeyRange,
        child: Option<(RegionId, KeyRange)>,
    ) {
        let known = self.regions.read().get(&region).cloned();
        let Some(parent) = known else { return };
        parent.reshare(revision, kept);
        if let (Some((child, share)), Some(recent)) = (child, &parent.recent) {
            let begun = self.share(child, recent.split_off(&share), share);
            self.regions.write().insert(child, begun);
        }
    }

    /// A snapshot took the place of a region's state: it is at `revision` and has `share`, and what happened
    /// in between is not known here.
    pub fn install_share(&self, region: RegionId, revision: Revision, share: KeyRange) {
        let known = self.regions.read().get(&region).cloned();
        match known.filter(|known| known.recent.is_some()) {
            Some(known) => {
                known.jump(revision);
                known.reshare(revision, share);
            }
            None => self.begin_share(region, revision, share),
        }
    }

    /// Opens a stream of watches on one region of a sharded keyspace.
    ///
    /// # Errors
    /// `RegionNotFound` if it is not on this node; as [`Self::open`].
    pub fn open_share(&self, region: RegionId) -> Result<(WatchControl, WatchMessages), Fault> {
        let known = self.regions.read().get(&region).cloned();
        let known = known.filter(|known| known.recent.is_some());
        let opened = match known {
            Some(known) => self.stream(&known),
            None => {
                let detail = format!("region {region} is not on this node");
                Err(Fault::new(Code::RegionNotFound, detail))
            }
        };
        self.unless_closed(opened)
    }

    fn share(&self, region: RegionId, recent: Recent, share: KeyRange) -> Arc<Region> {
        let now = *self.now.lock();
        let limits = Arc::clone(&self.share_limits);
        Arc::new(Region::of_share(region, limits, Arc::new(recent), share, now))
    }

    /// Has regions give up what is old, if it is time to.
    pub(super) fn age(&self, now: Moment) {
        {
            let mut aged = self.aged.lock();
            if now < aged.after(AGING) || !self.budget.is_scarce() {
                return;
            }
            *aged = now;
        }
        let regions: Vec<Arc<Region>> = self.regions.read().values().cloned().collect();
        for recent in regions.iter().filter_map(|region| region.recent.as_ref()) {
            recent.age();
        }
    }
}

impl Live {
    /// Whether a watch can be one of this region.
    pub(super) fn takes(&self, create: &WatchCreate) -> Result<(), Fault> {
        let Some(share) = &self.share else { return Ok(()) };
        if create.prev_kv {
            let detail = "records as they were before are not kept in a sharded keyspace";
            return Err(Fault::new(Code::Unsupported, detail));
        }
        if !share.covers(&create.range) {
            return Err(Code::EpochMismatch.into());
        }
        Ok(())
    }
}

impl Region {
    /// The region has `share` of the keys from here on, and everything up to `revision` was published:
    /// watches of other keys end.
    fn reshare(&self, revision: Revision, share: KeyRange) {
        let mut live = self.lock();
        for stream in live.streams.values().cloned().collect::<Vec<_>>() {
            let mut state = stream.state.lock();
            let astray =
                |id: &i64| state.watches.get(id).is_some_and(|it| !share.covers(&it.range));
            let ids: Vec<i64> = state.watches.keys().copied().filter(astray).collect();
            for id in &ids {
                let Some(watch) = state.watches.remove(id) else { continue };
                state.future.remove(&(watch.waiting, *id));
                let mut told = revision;
                if !live.unsubscribe(&stream, &watch, *id) {
                    // What it lacks it finds where the keys are now.
                    let lag = state.lags.iter().find(|lag| lag.ids.contains(id));
                    told = lag.map_or(Revision(0), |lag| Revision(lag.cursor.get() - 1));
                    state.forget_lag(*id);
                }
                state.tell(WatchMessage::Canceled {
                    id: *id,
                    revision: told,
                    compacted: Revision(0),
                    fault: Some(Code::EpochMismatch.into()),
                });
            }
            if !ids.is_empty() {
                live.settle(stream.number, &mut state);
                stream.notify.notify_one();
            }
        }
        live.share = Some(share);
    }
}
