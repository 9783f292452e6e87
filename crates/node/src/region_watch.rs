//! Tells observers when the state of a poller's regions changes.

use env::Moment;
use types::{NodeId, RegionId};

use crate::observe::RegionSight;
use crate::shard::Shard;
use crate::shared::Shared;

/// What one poller looks after. Only it tells of its regions, so their news have one order.
pub(crate) struct RegionWatch {
    slot: u64,
    slots: u64,
    /// Nodes that take no writes.
    protected: Vec<NodeId>,
    /// When transfers that were begun here are over, if nothing else ends them.
    transfers: Vec<(Moment, RegionId)>,
}

impl RegionWatch {
    pub(crate) fn new(slot: usize, slots: usize) -> Self {
        let (slot, slots) = (slot as u64, slots as u64);
        Self { slot, slots, protected: Vec::new(), transfers: Vec::new() }
    }

    /// Leadership of a region is being handed over until `until`, at the latest.
    pub(crate) fn transfer(&mut self, shared: &Shared, region: RegionId, until: Moment) {
        self.transfers.push((until, region));
        look(shared, region);
    }

    /// What no message tells of is looked at with every tick.
    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.clock.now();
        let over = |(until, _): &mut (Moment, RegionId)| *until <= now;
        for (_, region) in self.transfers.extract_if(.., over) {
            look(shared, region);
        }
        let mut protected = shared.live.liveness.lock().read_only();
        if shared.space.is_read_only() {
            protected.push(shared.node());
        }
        if protected != self.protected {
            self.protected = protected;
            self.look_at_all(shared);
        }
    }

    /// A node was lost or is back.
    pub(crate) fn look_at_all(&self, shared: &Shared) {
        for (region, shard) in shared.shards().iter() {
            if region.get() % self.slots == self.slot {
                tell(shared, shard);
            }
        }
    }
}

/// Tells how a region is, if that is news.
pub(crate) fn look(shared: &Shared, region: RegionId) {
    if let Some(shard) = shared.shard(region) {
        tell(shared, &shard);
    }
}

fn tell(shared: &Shared, shard: &Shard) {
    let state = shared.state_kind(&shared.live.liveness.lock(), shard);
    let leadership = shard.leadership();
    shared.live.observatory.region(RegionSight {
        region: shard.record.id,
        leader: leadership.leader,
        term: leadership.term,
        here: leadership.here,
        state,
    });
}
