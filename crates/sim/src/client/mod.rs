//! Simulated clients. Each sends one question at a time, over any node, again and again under the
//! same number until it is answered or given up.

mod ask;
mod registry;
mod settle;
pub(crate) use settle::number;
mod work;

use bytes::Bytes;
use state::registry::RegistryCommand;
use types::{LeaseId, RegionId, Revision};

use crate::event::{Body, Event};
use crate::node::shards::HOME;
use crate::oracle::{Action, Seen};
use crate::registry::Said;
use crate::sky::Sky;

/// What a client does all day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Job {
    /// Puts, gets, deletes and swaps on keys that others use, too.
    Registers,
    /// Counts one key up by compare-and-swap.
    Counter,
    /// Leases with keys on them.
    Leases,
    /// Drops history.
    Compactor,
    /// Makes keyspaces; in the meta region.
    Maker,
    /// Asks one last time, over one node.
    Probe { node: usize },
    /// An instance of a service of a registry.
    Instance { service: usize, number: u64 },
    /// Holds sessions of a registry, and locks keys with them.
    Locker,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    Register {
        key: Bytes,
        action: Action,
    },
    Grant {
        lease: LeaseId,
        ttl_seconds: i64,
    },
    LeasedPut {
        key: Bytes,
        lease: LeaseId,
    },
    Renew {
        lease: LeaseId,
    },
    Revoke {
        lease: LeaseId,
    },
    /// A put that was routed by an old map.
    Misrouted {
        key: Bytes,
    },
    Compact,
    Make {
        name: String,
    },
    Registry(RegistryCommand),
    Say(Said),
}

/// A question under way.
pub(super) struct Pending {
    ask: Ask,
    body: Body,
    /// The sequence number of a command.
    sequence: Option<u64>,
    place: Option<crate::oracle::Place>,
    floor: Revision,
    started: u64,
    deadline: u64,
    attempts: u32,
}

/// A client of one region.
pub(crate) struct Client {
    pub(crate) at: usize,
    /// Its number in sessions.
    id: u64,
    pub(crate) region: RegionId,
    pub(crate) job: Job,
    node: usize,
    sequence: u64,
    acknowledged: u64,
    pending: Option<Pending>,
    /// The attempt whose answer counts.
    attempt: u64,
    /// When it left.
    attempted: u64,
    life: registry::Life,
    /// The alarm that counts.
    alarm: u64,
    /// Commands given up, which the next one that is answered puts an end to.
    unsettled: Vec<crate::oracle::Place>,
    pub(crate) answered: u64,
    /// The last value seen of each register, for swaps that have a chance.
    seen: std::collections::BTreeMap<Bytes, Option<u64>>,
    lease: Option<LeaseId>,
    /// A lease that is gone.
    gone: Option<LeaseId>,
    made: u64,
    pub(crate) made_regions: Vec<RegionId>,
    pub(crate) stopped: bool,
}

/// How an answered question went.
pub(super) enum Told {
    Seen(Seen),
    Done,
}

impl Client {
    pub(crate) fn new(at: usize, region: RegionId, job: Job, nodes: u64) -> Self {
        Self {
            at,
            id: 1_000 + at as u64,
            region,
            job,
            node: at % usize::try_from(nodes).unwrap_or(1),
            sequence: 0,
            acknowledged: 0,
            pending: None,
            attempt: 0,
            attempted: 0,
            life: registry::Life::default(),
            alarm: 0,
            unsettled: Vec::new(),
            answered: 0,
            seen: std::collections::BTreeMap::new(),
            lease: None,
            gone: None,
            made: 0,
            made_regions: Vec::new(),
            stopped: matches!(job, Job::Probe { .. }),
        }
    }

    /// Whether its keys are spread over regions.
    fn is_sharded(&self, sky: &Sky) -> bool {
        self.region == HOME && sky.settings.sharded.is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// Sets the alarm; the one before counts no more.
    pub(crate) fn wake(&mut self, sky: &mut Sky, delay: u64) {
        self.alarm += 1;
        sky.after(delay, Event::Client { client: self.at, alarm: self.alarm });
    }
}
