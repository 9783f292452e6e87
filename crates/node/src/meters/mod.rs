//! What a node counts of its own work: read by the flight recorder and by `/metrics`, written on hot
//! paths, so every count is one relaxed addition.

mod histogram;
mod latency;
mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use types::Code;

use crate::answer::Consistency;

pub use histogram::{Histogram, Tally};
pub(crate) use process::status_bytes;
pub use process::{Process, client_descriptors_left, file_descriptors, most_file_descriptors};

/// Bounds of sync times, in microseconds: from a disk with a battery to one that hangs.
const SYNC_MICROS: &[u64] = &[
    64, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000,
    512_000, 1_024_000, 4_096_000,
];
/// Bounds of how many regions' writes go out with one sync.
const BATCH_WRITES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// Bounds of how long pushes take, in microseconds.
const PUSH_MICROS: &[u64] = &[
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    5_000_000,
];

/// The ways to read that are counted, by their names.
pub const READ_MODES: [&str; 4] = ["linearizable", "lease", "follower", "stale"];

/// One count that only goes up.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts `by` more.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// So many since the node was started.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of one node since it was started.
#[derive(Debug)]
pub struct Meters {
    /// How long syncs of the log took, in microseconds.
    pub syncs: Histogram,
    /// Writes that went out with one sync of the log.
    pub batches: Histogram,
    /// How long the engine took for batches of applied entries, in microseconds.
    pub commits: Histogram,
    /// Bytes of entries given to the log.
    pub log_bytes: Counter,
    /// How long commands of this node's clients took, from door to answer, in microseconds: of one in 64.
    pub writes: Histogram,
    /// How long reads waited until this node's copy was known to be fresh enough, in microseconds: of about
    /// one round in 64.
    pub read_waits: Histogram,
    /// Commands of this node's clients that were carried out, whatever their outcome.
    pub proposed: Counter,
    /// Those that were not, by [`Code`].
    pub refused: [Counter; Code::ALL.len()],
    /// Reads, by [`READ_MODES`].
    pub reads: [Counter; READ_MODES.len()],
    /// Entries applied.
    pub applied: Counter,
    /// Engine batches they went into.
    pub apply_rounds: Counter,
    /// How long after a change of a service its subscribers said that they have it, in microseconds.
    pub pushes: Histogram,
    /// Requests that waited for a change and were woken for one.
    pub woken: Counter,
    /// Times a region's leader changed, as this node saw it.
    pub leader_changes: Counter,
    /// Times a region of this node stood for election.
    pub elections: Counter,
    /// Snapshots sent whole.
    pub snapshots_sent: Counter,
    /// Snapshots that did not arrive.
    pub snapshots_failed: Counter,
    /// Snapshots received and put in place.
    pub snapshots_installed: Counter,
    /// Regions that were split here.
    pub splits: Counter,
    /// Regions that were given other nodes to be on, by this one as leader of the meta region.
    pub moves: Counter,
    /// Regions set aside.
    pub quarantined: Counter,
    /// How late ticks were, in microseconds.
    pub lateness: Histogram,
    /// Regions that this node gave to others to lead, because it was strained.
    pub handovers: Counter,
    /// Regions that are awake, by poller.
    awake: Mutex<BTreeMap<usize, usize>>,
    /// Flight records that were lost: the recorder or its disk was behind.
    pub flight_dropped: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            syncs: Histogram::new(SYNC_MICROS),
            batches: Histogram::new(BATCH_WRITES),
            commits: Histogram::new(SYNC_MICROS),
            log_bytes: Counter::default(),
            writes: Histogram::new(SYNC_MICROS),
            read_waits: Histogram::new(SYNC_MICROS),
            proposed: Counter::default(),
            refused: std::array::from_fn(|_| Counter::default()),
            reads: std::array::from_fn(|_| Counter::default()),
            applied: Counter::default(),
            apply_rounds: Counter::default(),
            pushes: Histogram::new(PUSH_MICROS),
            woken: Counter::default(),
            leader_changes: Counter::default(),
            elections: Counter::default(),
            snapshots_sent: Counter::default(),
            snapshots_failed: Counter::default(),
            snapshots_installed: Counter::default(),
            splits: Counter::default(),
            moves: Counter::default(),
            quarantined: Counter::default(),
            lateness: Histogram::new(SYNC_MICROS),
            handovers: Counter::default(),
            awake: Mutex::default(),
            flight_dropped: Counter::default(),
        }
    }
}

impl Meters {
    /// A command of a client ended so.
    pub fn proposal(&self, refused: Option<Code>) {
        match refused.map(|code| &self.refused[code as usize - 1]) {
            None => self.proposed.add(1),
            Some(counter) => counter.add(1),
        }
    }

    /// So many regions of a poller are awake.
    pub(crate) fn awake(&self, poller: usize, regions: usize) {
        self.awake.lock().insert(poller, regions);
    }

    /// Regions that are awake, as of the last tick.
    #[must_use]
    pub fn awake_regions(&self) -> usize {
        self.awake.lock().values().sum()
    }

    /// A client reads so.
    pub fn read(&self, consistency: Consistency) {
        let mode = match consistency {
            Consistency::Linearizable => 0,
            Consistency::Lease => 1,
            Consistency::Follower => 2,
            Consistency::Stale | Consistency::StaleWithin(_) => 3,
        };
        self.reads[mode].add(1);
    }

    /// Commands that were not carried out, or nobody knows.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.iter().map(Counter::get).sum()
    }
}
