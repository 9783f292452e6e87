//! Who watches what, for people who look.

use std::sync::Arc;

use types::{KeyRange, RegionId, Revision};

use super::hub::Hub;
use super::region::Region;

/// A watch, as it is at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchSight {
    /// Whose keys they are.
    pub region: RegionId,
    /// The client's stream, counted from 1 for each region since the node was started.
    pub stream: u64,
    /// Its number on the stream.
    pub id: i64,
    /// The keys.
    pub range: KeyRange,
    /// The next revision it is told of.
    pub next: Revision,
    /// Whether it reads what is old, and is not told of what is new before.
    pub behind: bool,
    /// Messages with events that wait for the stream's client.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl Hub {
    /// How many watches there are on this node, and the first `most` of them by region and stream, of
    /// regions that are wanted.
    #[must_use]
    pub fn sight(
        &self,
        most: usize,
        is_wanted: impl Fn(RegionId) -> bool,
    ) -> (u64, Vec<WatchSight>) {
        let regions: Vec<Arc<Region>> = self.regions.read().values().cloned().collect();
        let (mut total, mut seen) = (0, Vec::new());
        for region in regions {
            let (published, streams) = {
                let live = region.lock();
                (live.published, live.streams.values().cloned().collect::<Vec<_>>())
            };
            for stream in streams {
                let state = stream.state.lock();
                total += state.watches.len() as u64;
                if !is_wanted(region.id) {
                    continue;
                }
                let (waiting, waiting_bytes) = state.waits();
                for (id, watch) in &state.watches {
                    if seen.len() >= most {
                        break;
                    }
                    let lag = state.lags.iter().find(|lag| lag.ids.contains(id));
                    let live = Revision(published.get() + 1).max(watch.waiting);
                    seen.push(WatchSight {
                        region: region.id,
                        stream: stream.number,
                        id: *id,
                        range: KeyRange::clone(&watch.range),
                        next: lag.map_or(live, |lag| lag.cursor),
                        behind: lag.is_some(),
                        waiting: waiting as u64,
                        waiting_bytes: waiting_bytes as u64,
                    });
                }
            }
        }
        (total, seen)
    }
}
