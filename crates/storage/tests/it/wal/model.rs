//! What a log should hold: plain maps, and writes drawn at random.

use std::collections::BTreeMap;

use storage::log::Log;
use storage::wal::{RegionLog, Write};
use types::{Entry, HardState, Index, RegionId, Term};

use super::bed::{compact, entry, hard, read_all, remove, reset};
use crate::fault_disk::Random;

/// One region's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ModelLog {
    hard_state: Option<HardState>,
    base: u64,
    base_term: u64,
    generation: Option<u32>,
    entries: Vec<Entry>,
}

/// The logs of all regions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Model(pub(crate) BTreeMap<u64, ModelLog>);

impl ModelLog {
    fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn term_at(&self, index: u64) -> u64 {
        if index == self.base {
            return self.base_term;
        }
        self.entries[usize::try_from(index - self.base - 1).unwrap()].term.get()
    }

    fn log(&self) -> RegionLog {
        RegionLog {
            hard_state: self.hard_state,
            first: Index(self.base + 1),
            prev_term: Term(self.base_term),
            last: Index(self.last()),
            last_term: Term(self.term_at(self.last())),
            generation: self.generation,
        }
    }
}

impl Model {
    pub(crate) fn apply(&mut self, write: &Write) {
        let region = write.region.get();
        if write.remove {
            self.0.remove(&region);
            return;
        }
        let log = self.0.entry(region).or_default();
        if write.hard_state.is_some() {
            log.hard_state = write.hard_state;
        }
        log.generation = write.generation.or(log.generation);
        if let Some((base, term)) = write.reset_to {
            (log.base, log.base_term) = (base.get(), term.get());
            log.entries.clear();
        }
        if let Some(first) = write.entries.first() {
            log.entries.truncate(usize::try_from(first.index.get() - log.base - 1).unwrap());
            log.entries.extend(write.entries.iter().cloned());
        }
        if let Some((base, term)) = write.compact_to
            && base.get() > log.base
        {
            log.entries.drain(..usize::try_from(base.get() - log.base).unwrap());
            (log.base, log.base_term) = (base.get(), term.get());
        }
    }

    /// What `held` holds, read entry by entry, must be this.
    pub(crate) fn matches(&self, held: &dyn Log) -> Result<(), String> {
        let reader = held.reader();
        let found: Vec<u64> = reader.regions().iter().map(|status| status.region.get()).collect();
        let expected: Vec<u64> = self.0.keys().copied().collect();
        if found != expected {
            return Err(format!("regions {found:?}, not {expected:?}"));
        }
        for (region, log) in &self.0 {
            let found = reader.region(RegionId(*region));
            if found != Some(log.log()) {
                return Err(format!("region {region}: {found:?}, not {:?}", log.log()));
            }
            let entries = read_all(held, *region).map_err(|error| error.to_string())?;
            if entries != log.entries {
                return Err(format!("region {region}: other entries"));
            }
        }
        Ok(())
    }

    /// Writes for some regions that make sense after what is here, applied here already.
    pub(crate) fn draw(&mut self, random: &mut Random) -> Vec<Write> {
        let mut writes = Vec::new();
        for _ in 0..=random.below(4) {
            let region = 1 + random.below(6);
            let mut write = self.draw_one(region, random);
            if !write.remove && random.chance(20) {
                write.generation = Some(u32::try_from(random.below(3)).unwrap());
            }
            self.apply(&write);
            writes.push(write);
        }
        writes
    }

    fn draw_one(&self, region: u64, random: &mut Random) -> Write {
        let fresh = ModelLog::default();
        let log = self.0.get(&region).unwrap_or(&fresh);
        let last = log.last();
        // Region 6 is the laggard: it grows slowly and is never compacted.
        let laggard = region == 6;
        match random.below(100) {
            0..3 if self.0.contains_key(&region) && !laggard => remove(region),
            3..6 if !laggard => {
                let mut write = reset(region, last + random.below(50), log.term_at(last) + 1);
                if random.chance(50) {
                    write.hard_state = Some(hard(random.below(90), random.below(4), last));
                }
                write
            }
            6..25 if !laggard && last > log.base => {
                let to = log.base + 1 + random.below(last - log.base);
                compact(region, to, log.term_at(to))
            }
            25..30 => Write {
                region: RegionId(region),
                hard_state: Some(hard(1 + random.below(90), random.below(4), last)),
                ..Write::default()
            },
            _ if laggard && random.chance(80) => Write {
                region: RegionId(region),
                hard_state: Some(hard(1 + random.below(90), 2, last)),
                ..Write::default()
            },
            _ => self.draw_append(region, log, random),
        }
    }

    fn draw_append(&self, region: u64, log: &ModelLog, random: &mut Random) -> Write {
        let last = log.last();
        // Mostly behind the last entry, sometimes over a suffix.
        let back = if random.chance(20) { random.below(last - log.base + 1) } else { 0 };
        let first = last + 1 - back;
        let term = log.term_at(first - 1).max(log.term_at(last)) + u64::from(back > 0);
        let long = random.chance(3);
        let entries: Vec<Entry> = (first..=first + random.below(8))
            .map(|index| {
                let len = random.below(if long { 9000 } else { 300 });
                let fill = u8::try_from(random.below(256)).unwrap();
                entry(index, term, &vec![fill; usize::try_from(len).unwrap()])
            })
            .collect();
        let last = first + entries.len() as u64 - 1;
        let hard_state = random.chance(60).then(|| hard(term, random.below(4), first));
        let compact_to = (random.chance(10) && region != 6)
            .then(|| first + random.below(last + 1 - first))
            .map(|to| (Index(to), Term(term)));
        Write { region: RegionId(region), hard_state, entries, compact_to, ..Write::default() }
    }
}
