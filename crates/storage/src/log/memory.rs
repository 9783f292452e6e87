//! A log in memory: for tests, and for nodes whose data nobody wants to keep.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;
use types::{Entry, HardState, Index, RegionId, Term};

use super::{Log, LogReader};
use crate::wal::plan::{Standing, plan};
use crate::wal::{Error, Item, Reclaimed, RegionLog, RegionStatus, State, Stats, Write};

/// Keeps everything in memory until it is compacted, and promises as much as the process lives.
#[derive(Default, Debug)]
pub struct MemoryLog {
    shared: Arc<RwLock<Regions>>,
}

type Regions = BTreeMap<RegionId, Held>;

/// One region.
#[derive(Default, Debug)]
struct Held {
    hard_state: Option<HardState>,
    /// The position right before the first entry.
    base: Index,
    base_term: Term,
    generation: Option<u32>,
    entries: VecDeque<Entry>,
    bytes: u64,
}

impl MemoryLog {
    /// A log without regions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log for MemoryLog {
    fn append(&mut self, writes: &[Write]) -> Result<(), Error> {
        let items = {
            let regions = self.shared.read();
            plan(|region| regions.get(&region).map(Held::standing).unwrap_or_default(), writes)?
        };
        let mut regions = self.shared.write();
        for item in items {
            match item {
                Item::State(state) => regions.entry(state.region).or_default().set(state),
                Item::Entries { region, entries, .. } => {
                    regions.entry(region).or_default().put(entries);
                }
                Item::Remove { region } => drop(regions.remove(&region)),
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reclaim(&mut self) -> Result<Reclaimed, Error> {
        Ok(Reclaimed::default())
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::new(Reader(Arc::clone(&self.shared)))
    }

    fn is_durable(&self) -> bool {
        false
    }
}

impl Held {
    fn standing(&self) -> Standing {
        let (base, base_term) = (self.base, self.base_term);
        Standing {
            known: true,
            hard_state: self.hard_state,
            base,
            base_term,
            last: self.last(),
            generation: self.generation,
        }
    }

    fn last(&self) -> Index {
        self.entries.back().map_or(self.base, |last| last.index)
    }

    fn log(&self) -> RegionLog {
        RegionLog {
            hard_state: self.hard_state,
            first: self.base.next(),
            prev_term: self.base_term,
            last: self.last(),
            last_term: self.entries.back().map_or(self.base_term, |last| last.term),
            generation: self.generation,
        }
    }

    /// Where the entry at `index` is.
    fn at(&self, index: Index) -> usize {
        usize::try_from(index.get().saturating_sub(self.base.get() + 1)).unwrap_or(usize::MAX)
    }

    fn set(&mut self, state: State) {
        while let Some(first) = self.entries.front()
            && (state.reset || first.index <= state.base)
        {
            self.bytes -= first.data.len() as u64;
            self.entries.pop_front();
        }
        (self.base, self.base_term) = (state.base, state.base_term);
        self.hard_state = state.hard_state;
        self.generation = state.generation;
    }

    fn put(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first().map(|first| first.index) else { return };
        while let Some(last) = self.entries.back()
            && last.index >= first
        {
            self.bytes -= last.data.len() as u64;
            self.entries.pop_back();
        }
        self.bytes += entries.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
        self.entries.extend(entries.iter().cloned());
    }
}

struct Reader(Arc<RwLock<Regions>>);

impl LogReader for Reader {
    fn entries(
        &self,
        region: RegionId,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, Error> {
        if low >= high {
            return Ok(Vec::new());
        }
        let regions = self.0.read();
        let held = regions.get(&region).ok_or(Error::UnknownRegion(region))?;
        if low <= held.base {
            return Err(Error::Compacted { region, first: held.base.next() });
        }
        if high > held.last().next() {
            return Err(Error::Unavailable { region, last: held.last() });
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        for entry in held.entries.range(held.at(low)..held.at(high)) {
            bytes += entry.data.len() as u64;
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, region: RegionId, index: Index) -> Result<Term, Error> {
        let regions = self.0.read();
        let held = regions.get(&region).ok_or(Error::UnknownRegion(region))?;
        if index == held.base {
            return Ok(held.base_term);
        }
        if index < held.base {
            return Err(Error::Compacted { region, first: held.base.next() });
        }
        let entry = held.entries.get(held.at(index));
        entry.map(|entry| entry.term).ok_or(Error::Unavailable { region, last: held.last() })
    }

    fn region(&self, region: RegionId) -> Option<RegionLog> {
        self.0.read().get(&region).map(Held::log)
    }

    fn regions(&self) -> Vec<RegionStatus> {
        let status = |(region, held): (&RegionId, &Held)| RegionStatus {
            region: *region,
            log: held.log(),
            bytes: held.bytes,
        };
        self.0.read().iter().map(status).collect()
    }

    fn stats(&self) -> Stats {
        let regions = self.0.read();
        let bytes = regions.values().map(|held| held.bytes).sum();
        let runs = regions.values().map(|held| held.entries.len()).sum();
        Stats { regions: regions.len(), bytes, live_bytes: bytes, runs, ..Stats::default() }
    }
}
