//! Worlds to simulate, one file each.

mod many_groups;
mod placement;
mod registry;
mod single_group;
mod sleepers;
mod snapshots;
mod split;

pub(crate) use registry::{DEREGISTER_AFTER_MS, HASTE, LOCK_DELAY_MS, SESSION_TTL_MS, TTL_MS};

use state::registry::deadlines;
use types::RegionId;

use crate::disk::Random;

/// The slowest and the fastest clock, in millionths of true time.
pub(crate) const RATE_MIN: u64 = 900_000;
pub(crate) const RATE_MAX: u64 = 1_100_000;

/// How a world is set up. Times are microseconds of simulated time.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) nodes: u64,
    /// Whether a meta region tells which regions there are.
    pub(crate) with_meta: bool,
    /// The regions, where no meta region tells.
    pub(crate) regions: Vec<RegionId>,
    /// Keyspaces made while the world runs.
    pub(crate) keyspaces: u64,
    pub(crate) tick_micros: u64,
    /// How long faults go on.
    pub(crate) storm_micros: u64,
    /// Between two faults, at most.
    pub(crate) fault_interval_micros: u64,
    pub(crate) log_keep_entries: u64,
    pub(crate) log_slack_entries: u64,
    pub(crate) cut_interval_micros: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) cache_bytes: usize,
    pub(crate) message_bytes: u64,
    pub(crate) unapplied_entries: u64,
    /// Clients of each kind and region.
    pub(crate) register_clients: usize,
    pub(crate) counter_clients: usize,
    pub(crate) lease_clients: usize,
    pub(crate) compactors: usize,
    /// Whether the keyspaces made are sharded, and how many regions they are split into at most.
    pub(crate) sharded: Option<usize>,
    /// On how many nodes each of these has a replica, while they move; 0: on all.
    pub(crate) replicas: u32,
    /// How things end, where the regions are registries.
    pub(crate) registry: Option<deadlines::Settings>,
    /// Instances of the first and the second service, holders of sessions, and waiters.
    pub(crate) instances: [u64; 2],
    pub(crate) lockers: usize,
    pub(crate) waiters: usize,
    /// The longest pause of a client.
    pub(crate) think_micros: u64,
    pub(crate) large_value_bytes: usize,
    pub(crate) lost_answers_percent: u64,
    pub(crate) broken_chunks_permille: u64,
    pub(crate) corrupted_chunks_permille: u64,
    /// Whether a node dies in the calm after the storm, when groups sleep.
    pub(crate) last_kill: bool,
    pub(crate) hibernate_after_ticks: Option<u64>,
    pub(crate) wakes_per_tick: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 3,
            with_meta: false,
            regions: vec![RegionId::DEFAULT],
            keyspaces: 0,
            tick_micros: 20_000,
            storm_micros: 18_000_000,
            fault_interval_micros: 800_000,
            log_keep_entries: 200,
            log_slack_entries: 100,
            cut_interval_micros: 500_000,
            segment_bytes: 64 << 10,
            cache_bytes: 8 << 10,
            message_bytes: 4 << 10,
            unapplied_entries: 200,
            register_clients: 5,
            counter_clients: 2,
            lease_clients: 1,
            compactors: 1,
            sharded: None,
            replicas: 0,
            registry: None,
            instances: [0; 2],
            lockers: 0,
            waiters: 0,
            think_micros: 60_000,
            large_value_bytes: 2_000,
            lost_answers_percent: 2,
            broken_chunks_permille: 0,
            corrupted_chunks_permille: 15,
            last_kill: false,
            hibernate_after_ticks: None,
            wakes_per_tick: 64,
        }
    }
}

/// A world by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// One region, everything else wrong.
    SingleGroup,
    /// A meta region and keyspaces that come to be in the middle of it.
    ManyGroups,
    /// A short log, so that whoever falls behind needs the state whole.
    Snapshots,
    /// Several groups with little to do, which sleep.
    Sleepers,
    /// One region that is a registry, with instances, sessions and locks beside its keys.
    Registry,
    /// A sharded keyspace whose regions are split in the middle of it.
    Split,
    /// The same on a part of the nodes: regions move, nodes are drained and filled.
    Placement,
    /// Consensus alone, with peers that come and go.
    Membership,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 8] = [
        Self::SingleGroup,
        Self::ManyGroups,
        Self::Snapshots,
        Self::Sleepers,
        Self::Registry,
        Self::Split,
        Self::Placement,
        Self::Membership,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleGroup => "single-group",
            Self::ManyGroups => "many-groups",
            Self::Snapshots => "snapshots",
            Self::Sleepers => "sleepers",
            Self::Registry => "registry",
            Self::Split => "split",
            Self::Placement => "placement",
            Self::Membership => "membership",
        }
    }

    /// The one called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// The one a seed runs when none is named: all of them in turn. A registry is a single group, too,
    /// a keyspace that is split is many, and one that moves sends snapshots: they share a place.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        match seed % 5 {
            1 if seed % 10 == 6 => Self::Registry,
            2 if seed % 10 == 7 => Self::Split,
            0 if seed % 10 == 5 => Self::Placement,
            0 => Self::Snapshots,
            1 => Self::SingleGroup,
            2 => Self::ManyGroups,
            3 => Self::Sleepers,
            _ => Self::Membership,
        }
    }

    /// What the seed makes of it.
    pub(crate) fn settings(self, random: &mut Random) -> Settings {
        let mut settings = self.usual();
        settings.nodes = if random.chance(25) { 5 } else { 3 };
        if self == Self::Placement {
            settings.nodes = 4 + random.below(3);
        }
        if random.chance(40) || self == Self::Sleepers {
            settings.hibernate_after_ticks = Some(3 + random.below(25));
            settings.wakes_per_tick = 1 + usize::try_from(random.below(4)).unwrap_or(0);
        }
        settings.last_kill = self == Self::Sleepers && random.chance(60);
        settings
    }

    fn usual(self) -> Settings {
        match self {
            Self::SingleGroup => single_group::settings(),
            Self::ManyGroups => many_groups::settings(),
            Self::Snapshots => snapshots::settings(),
            Self::Sleepers => sleepers::settings(),
            Self::Registry => registry::settings(),
            Self::Split => split::settings(),
            Self::Placement => placement::settings(),
            // It has no nodes to set up.
            Self::Membership => Settings::default(),
        }
    }
}
