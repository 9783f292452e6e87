//! What every watcher has to be told: the events of each revision, as the first replica applied them
//! (the guarantee of etcd's watch: ordered, reliable, atomic).

use std::collections::BTreeMap;

use state::response::Event;
use types::{KeyRange, RegionId, Revision};

use crate::watcher::{Seen, seen};

#[derive(Default)]
pub(crate) struct Events(BTreeMap<(RegionId, Revision), Vec<Seen>>);

impl Events {
    /// An entry was applied for the first time.
    pub(crate) fn applied(&mut self, region: RegionId, events: &[Event]) {
        for event in events {
            self.0.entry((region, event.position.revision)).or_default().push(seen(event));
        }
    }

    /// The events of the revisions from `from` to `to`, both included, on the keys of `range`.
    pub(crate) fn between(
        &self,
        region: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
    ) -> Vec<Seen> {
        if from > to {
            return Vec::new();
        }
        let all = self.0.range((region, from)..=(region, to)).flat_map(|(_, events)| events);
        all.filter(|(_, key, ..)| range.contains(key)).cloned().collect()
    }
}
