//! What the log holds, in memory: per region its state and the runs of its entries, per segment how
//! much of it still counts. Appending and reading back change it by the same function.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{HardState, Index as Position, RegionId, Term};

use super::config::RegionLog;
use super::decode::{Found, FoundEntries};
use super::encode::State;
use super::extent::{Change, Extent, Extents};
use super::layout::STATE_ITEM;
use super::segment::Segment;

/// One region.
#[derive(Clone, Default, Debug)]
pub(super) struct Region {
    pub(super) hard_state: Option<HardState>,
    pub(super) base: Position,
    pub(super) base_term: Term,
    pub(super) last: Position,
    pub(super) last_term: Term,
    pub(super) generation: Option<u32>,
    pub(super) extents: Extents,
    /// Where its last state item is; `None` only while an old log is read back.
    pub(super) state_in: Option<u32>,
    /// Bytes of its entries.
    pub(super) bytes: u64,
}

/// One segment.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) segment: Arc<Segment>,
    /// Where the next batch goes, or would.
    pub(super) end: u64,
    /// Runs and states in it that count.
    pub(super) items: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// The batch that last took something away from it.
    pub(super) changed_by: u64,
}

/// All regions and segments.
#[derive(Default, Debug)]
pub(super) struct Index {
    /// Boxed: the map's nodes are half empty, and there may be 10,000.
    pub(super) regions: BTreeMap<RegionId, Box<Region>>,
    pub(super) segments: BTreeMap<u32, Usage>,
    pub(super) spares: usize,
}

/// In which segment and batch an item was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) sequence: u64,
}

type Segments = BTreeMap<u32, Usage>;

impl Index {
    pub(super) fn add_segment(&mut self, segment: Arc<Segment>) {
        let end = super::layout::BLOCK;
        let number = segment.number;
        let usage = Usage { segment, end, items: 0, bytes: 0, changed_by: 0 };
        self.segments.insert(number, usage);
    }

    /// Takes one item into account.
    pub(super) fn apply(&mut self, found: &Found, origin: Origin) {
        let segments = &mut self.segments;
        match found {
            Found::State(state) => {
                let region = self.regions.entry(state.region).or_default();
                region.set_state(state, segments, origin);
            }
            Found::Entries(entries) => {
                let region = self.regions.entry(entries.region).or_default();
                region.put(entries, segments, origin);
            }
            Found::Remove { region } => {
                if let Some(mut gone) = self.regions.remove(region) {
                    gone.clear(segments, origin);
                    gone.release_state(segments, origin);
                }
            }
        }
    }

    /// Bytes of all segments up to where they are written.
    pub(super) fn written_bytes(&self) -> u64 {
        self.segments.values().map(|usage| usage.end).sum()
    }

    /// Bytes that count.
    pub(super) fn live_bytes(&self) -> u64 {
        self.segments.values().map(|usage| usage.bytes).sum()
    }
}

impl Region {
    pub(super) fn log(&self) -> RegionLog {
        RegionLog {
            hard_state: self.hard_state,
            first: self.base.next(),
            prev_term: self.base_term,
            last: self.last,
            last_term: self.last_term,
            generation: self.generation,
        }
    }

    /// Its state as an item says it.
    pub(super) fn state(&self, region: RegionId) -> State {
        let (hard_state, base, base_term) = (self.hard_state, self.base, self.base_term);
        State { region, hard_state, base, base_term, reset: false, generation: self.generation }
    }

    /// What keeps this from being a whole log, after all of it was read.
    pub(super) fn flaw(&self) -> Option<String> {
        if self.state_in.is_none() {
            return Some("it has entries but no state".into());
        }
        let mut next = self.base.get() + 1;
        for extent in self.extents.iter() {
            if extent.first != next {
                return Some(format!("entries {next} to {} are missing", extent.first - 1));
            }
            next = extent.end();
        }
        let end = self.last.get() + 1;
        (next != end).then(|| format!("its entries end at {} and not at {}", next - 1, self.last))
    }

    fn set_state(&mut self, state: &State, segments: &mut Segments, origin: Origin) {
        self.release_state(segments, origin);
        charge(segments, origin.segment, STATE_ITEM as u64);
        self.state_in = Some(origin.segment);
        self.hard_state = state.hard_state;
        self.generation = state.generation;
        self.base = state.base;
        self.base_term = state.base_term;
        if state.reset {
            self.clear(segments, origin);
        } else {
            self.cut(0, state.base.get() + 1, segments, origin);
        }
        if state.reset || self.last <= state.base {
            self.last = state.base;
            self.last_term = state.base_term;
        }
    }

    fn put(&mut self, entries: &FoundEntries, segments: &mut Segments, origin: Origin) {
        let extent = Extent {
            first: entries.first.get(),
            segment: origin.segment,
            offset: u32::try_from(origin.offset + u64::from(entries.at)).unwrap_or(u32::MAX),
            count: entries.count,
            bytes: entries.bytes,
        };
        if !entries.moved {
            self.cut(extent.first, u64::MAX, segments, origin);
        }
        let bytes = &mut self.bytes;
        self.extents.put(extent, &mut |change| account(change, bytes, segments, origin));
        // Moved entries lie below the last one, unless that one's own item is gone already.
        let last = extent.end() - 1;
        if !entries.moved || last >= self.last.get() {
            self.last = Position(last);
            self.last_term = entries.last_term;
        }
    }

    fn clear(&mut self, segments: &mut Segments, origin: Origin) {
        self.cut(0, u64::MAX, segments, origin);
    }

    fn cut(&mut self, from: u64, to: u64, segments: &mut Segments, origin: Origin) {
        let bytes = &mut self.bytes;
        self.extents.cut(from, to, &mut |change| account(change, bytes, segments, origin));
    }

    fn release_state(&mut self, segments: &mut Segments, origin: Origin) {
        if let Some(number) = self.state_in.take() {
            release(segments, number, STATE_ITEM as u64, origin);
        }
    }
}

fn account(change: Change, bytes: &mut u64, segments: &mut Segments, origin: Origin) {
    match change {
        Change::Came(extent) => {
            *bytes += u64::from(extent.bytes);
            charge(segments, extent.segment, u64::from(extent.bytes));
        }
        Change::Went(extent) => {
            *bytes -= u64::from(extent.bytes);
            release(segments, extent.segment, u64::from(extent.bytes), origin);
        }
    }
}

fn charge(segments: &mut Segments, number: u32, bytes: u64) {
    if let Some(usage) = segments.get_mut(&number) {
        usage.items += 1;
        usage.bytes += bytes;
    }
}

fn release(segments: &mut Segments, number: u32, bytes: u64, origin: Origin) {
    if let Some(usage) = segments.get_mut(&number) {
        usage.items -= 1;
        usage.bytes -= bytes;
        usage.changed_by = origin.sequence;
    }
}
