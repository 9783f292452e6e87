//! What a node knows of the others and tells of itself, in one place for [`crate::shared::Shared`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use parking_lot::Mutex;
use tokio::sync::Notify;
use types::{Incarnation, Index, RegionId, Term};

use crate::config::NodeConfig;
use crate::liveness::{self, Health, Liveness};
use crate::observe::Observatory;
use crate::shard::Shard;
use crate::traffic::Traffic;

pub(crate) struct Live {
    pub(crate) liveness: Mutex<Liveness>,
    pub(crate) summary: Mutex<liveness::Told>,
    pub(crate) health: Health,
    pub(crate) traffic: Traffic,
    pub(crate) observatory: Arc<Observatory>,
    /// Told when regions may not be as the directory wants them, or the directory does not know them as
    /// they are.
    pub(crate) regroup: Notify,
    /// Told when a node that was lost from sight is heard again.
    pub(crate) heard: Notify,
    /// Transfers of leadership that were begun here: in which term, and when they are given up.
    transfers: Mutex<BTreeMap<RegionId, (Term, Moment)>>,
    /// After how long a transfer that leads to nothing is given up: Raft's election timeout.
    transfer_for: Duration,
}

impl Live {
    pub(crate) fn new(config: &NodeConfig, incarnation: Incarnation, now: Moment) -> Self {
        let (beat, lost) = (config.heartbeat_ticks, config.election_ticks);
        let every = config.tick.saturating_mul(u32::try_from(beat).unwrap_or(u32::MAX));
        let ticks = u32::try_from(config.election_ticks).unwrap_or(u32::MAX);
        Self {
            liveness: Mutex::new(
                Liveness::new(incarnation.get(), beat, lost, now).with_interval(every),
            ),
            summary: Mutex::default(),
            health: Health::default(),
            traffic: Traffic::default(),
            observatory: Arc::default(),
            regroup: Notify::new(),
            heard: Notify::new(),
            transfers: Mutex::default(),
            transfer_for: config.tick.saturating_mul(ticks),
        }
    }

    /// While a region sleeps, nobody speaks for it: the beats of its nodes tell how fresh this node's
    /// copy is. Called before that is asked for.
    pub(crate) fn note_quiet(&self, shard: &Shard) {
        if !shard.is_asleep() {
            return;
        }
        let leadership = shard.leadership();
        let liveness = self.liveness.lock();
        if leadership.here {
            for node in &shard.group().voters {
                if let Some(at) = liveness.quiet_at(*node) {
                    shard.note_follower(at, *node);
                }
            }
        } else if let Some(at) = leadership.leader.and_then(|node| liveness.quiet_at(node)) {
            shard.note_contact(at, Index(0));
        }
    }

    /// Leadership of a region that this node leads in `term` is being handed over from `now` on.
    /// Answers until when it is, if nothing else ends it.
    pub(crate) fn transfer_begun(&self, region: RegionId, term: Term, now: Moment) -> Moment {
        let mut transfers = self.transfers.lock();
        transfers.retain(|_, (_, until)| now < *until);
        let until = now.after(self.transfer_for);
        transfers.insert(region, (term, until));
        until
    }

    pub(crate) fn is_transferring(&self, region: RegionId, term: Term, now: Moment) -> bool {
        let transfers = self.transfers.lock();
        transfers.get(&region).is_some_and(|(begun, until)| *begun == term && now < *until)
    }
}
