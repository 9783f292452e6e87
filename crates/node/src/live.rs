//! What a node knows of the others and tells of itself, in one place for [`crate::shared::Shared`].

use std::collections::BTreeMap;
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;
use types::{Incarnation, RegionId, Term};

use crate::config::NodeConfig;
use crate::liveness::{Health, Liveness};
use crate::traffic::Traffic;

pub(crate) struct Live {
    pub(crate) liveness: Mutex<Liveness>,
    pub(crate) health: Health,
    pub(crate) traffic: Traffic,
    /// Transfers of leadership that were begun here: in which term, and when they are given up.
    transfers: Mutex<BTreeMap<RegionId, (Term, Moment)>>,
    /// After how long a transfer that leads to nothing is given up: Raft's election timeout.
    transfer_for: Duration,
}

impl Live {
    pub(crate) fn new(config: &NodeConfig, incarnation: Incarnation, now: Moment) -> Self {
        let (beat, lost) = (config.heartbeat_ticks, config.election_ticks);
        let ticks = u32::try_from(config.election_ticks).unwrap_or(u32::MAX);
        Self {
            liveness: Mutex::new(Liveness::new(incarnation.get(), beat, lost, now)),
            health: Health::default(),
            traffic: Traffic::default(),
            transfers: Mutex::default(),
            transfer_for: config.tick.saturating_mul(ticks),
        }
    }

    /// Leadership of a region that this node leads in `term` is being handed over from `now` on.
    pub(crate) fn transfer_begun(&self, region: RegionId, term: Term, now: Moment) {
        let mut transfers = self.transfers.lock();
        transfers.retain(|_, (_, until)| now < *until);
        transfers.insert(region, (term, now.after(self.transfer_for)));
    }

    pub(crate) fn is_transferring(&self, region: RegionId, term: Term, now: Moment) -> bool {
        let transfers = self.transfers.lock();
        transfers.get(&region).is_some_and(|(begun, until)| *begun == term && now < *until)
    }
}
