//! What a node knows of the others and tells of itself, in one place for [`crate::shared::Shared`].

use env::Moment;
use parking_lot::Mutex;
use types::Incarnation;

use crate::config::NodeConfig;
use crate::liveness::{Health, Liveness};
use crate::traffic::Traffic;

pub(crate) struct Live {
    pub(crate) liveness: Mutex<Liveness>,
    pub(crate) health: Health,
    pub(crate) traffic: Traffic,
}

impl Live {
    pub(crate) fn new(config: &NodeConfig, incarnation: Incarnation, now: Moment) -> Self {
        let (beat, lost) = (config.heartbeat_ticks, config.election_ticks);
        Self {
            liveness: Mutex::new(Liveness::new(incarnation.get(), beat, lost, now)),
            health: Health::default(),
            traffic: Traffic::default(),
        }
    }
}
