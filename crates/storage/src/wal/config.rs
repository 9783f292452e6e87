//! What goes into the log and how it is set up.

use types::{Entry, HardState, Index, RegionId, Term};

/// How the log uses the disk.
#[derive(Clone, Debug)]
pub struct WalConfig {
    /// Bytes of a segment file, 64 KiB to 1 GiB. A batch that does not fit gets a larger one.
    pub segment_bytes: u64,
    /// Bytes of log from which on old segments are emptied by moving what still counts in them to
    /// the end. The log may stay larger while more than half of it counts: then only compacting
    /// its regions helps.
    pub reclaim_bytes: u64,
    /// Bytes of entries one call of `reclaim` moves at most (one entry may go over it).
    pub reclaim_step_bytes: u64,
    /// Segment files kept for use again; overwriting is cheaper than growing.
    pub recycled_segments: usize,
    /// Mixed into every checksum. A number that clients cannot guess keeps them from storing bytes
    /// that look like part of a log; it need not stay the same from one start to the next.
    pub salt: u64,
    /// What makes it safe to read back; all of it, but for tests of tests.
    pub guards: WalGuards,
}

/// Rules of reading back, each with a switch, so that a simulation without it shows what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalGuards {
    /// Items and entries are held against their checksums.
    pub checksums: bool,
    /// What a later batch says was durable is never cut.
    pub marks: bool,
    /// A segment that another one followed is not the last.
    pub followers: bool,
}

impl Default for WalGuards {
    fn default() -> Self {
        Self { checksums: true, marks: true, followers: true }
    }
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            reclaim_bytes: 512 << 20,
            reclaim_step_bytes: 4 << 20,
            recycled_segments: 4,
            salt: 0,
            guards: WalGuards::default(),
        }
    }
}

impl WalConfig {
    /// `segment_bytes` within its bounds and a whole number of blocks.
    pub(super) fn segment_len(&self) -> u64 {
        self.segment_bytes.clamp(64 << 10, 1 << 30).next_multiple_of(super::layout::BLOCK)
    }
}

/// One region's part of an append. Several of its fields may be set; they take effect in the order
/// `reset_to`, `entries`, `compact_to`; `remove` stands alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Write {
    /// Whose log.
    pub region: RegionId,
    /// The new hard state; `None` keeps the one that is there.
    pub hard_state: Option<HardState>,
    /// Entries without a gap, the first above the compacted part and at most one above the last:
    /// they replace whatever was at and after the first one's index.
    pub entries: Vec<Entry>,
    /// Entries up to this index are no longer needed; the term is the one at that index. No effect
    /// if they are gone already.
    pub compact_to: Option<(Index, Term)>,
    /// A snapshot was installed: the log becomes empty and goes on after this position.
    pub reset_to: Option<(Index, Term)>,
    /// The region was destroyed: everything of it goes.
    pub remove: bool,
    /// Whose log it is, as [`RegionLog::generation`]; `None` keeps what is known.
    pub generation: Option<u32>,
}

/// What the log holds of one region.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegionLog {
    /// The last hard state written.
    pub hard_state: Option<HardState>,
    /// The first index that is there, or would be if the log is empty: one above the compacted part.
    pub first: Index,
    /// The term at the index before `first`.
    pub prev_term: Term,
    /// The last index; `first - 1` if the log is empty.
    pub last: Index,
    /// The term at `last`.
    pub last_term: Term,
    /// Which of the region's replicas on this node it is of ([`types::PeerId::generation`]); `None` if
    /// whoever wrote it did not say, as builds up to 0.1 did not.
    pub generation: Option<u32>,
}
