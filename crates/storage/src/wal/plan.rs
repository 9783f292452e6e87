//! From what a caller wants to what is written: every write is held against the region's log, and
//! against the writes before it in the same call, before a byte goes out.

use std::collections::BTreeMap;

use types::{Entry, HardState, Index as Position, RegionId, Term};

use super::config::Write;
use super::encode::{Item, State};
use super::error::Error;
use super::index::Index;
use super::layout::ENTRY_LIMIT;

/// What matters of a region while a call is planned.
#[derive(Clone, Copy, Default)]
pub(crate) struct Standing {
    pub(crate) known: bool,
    pub(crate) hard_state: Option<HardState>,
    pub(crate) base: Position,
    pub(crate) base_term: Term,
    pub(crate) last: Position,
    pub(crate) generation: Option<u32>,
}

/// The items that `writes` come to, in a log whose regions are as `standing` says.
pub(crate) fn plan<'a>(
    standing: impl Fn(RegionId) -> Standing,
    writes: &'a [Write],
) -> Result<Vec<Item<'a>>, Error> {
    let mut changed = BTreeMap::new();
    let mut items = Vec::with_capacity(writes.len() * 2);
    for write in writes {
        let known = changed.get(&write.region).copied();
        let mut region = known.unwrap_or_else(|| standing(write.region));
        region
            .take(write, &mut items)
            .map_err(|reason| Error::Invalid { region: write.region, reason })?;
        changed.insert(write.region, region);
    }
    Ok(items)
}

impl Standing {
    pub(super) fn of(index: &Index, region: RegionId) -> Self {
        index.regions.get(&region).map_or_else(Self::default, |region| Self {
            known: true,
            hard_state: region.hard_state,
            base: region.base,
            base_term: region.base_term,
            last: region.last,
            generation: region.generation,
        })
    }

    fn take<'a>(&mut self, write: &'a Write, items: &mut Vec<Item<'a>>) -> Result<(), String> {
        if write.remove {
            return self.remove(write, items);
        }
        let mut state_due = write.hard_state.is_some();
        if write.generation.is_some() && write.generation != self.generation {
            self.generation = write.generation;
            state_due = true;
        }
        if write.hard_state.is_some() {
            self.hard_state = write.hard_state;
        }
        if let Some((base, term)) = write.reset_to {
            if base.get() == u64::MAX {
                return Err("a reset beyond all indexes".into());
            }
            (self.base, self.base_term, self.last) = (base, term, base);
            items.push(Item::State(self.state(write.region, true)));
            (self.known, state_due) = (true, false);
        }
        if let Some(last) = self.check_entries(&write.entries)? {
            self.last = last;
            state_due |= !self.known;
            items.push(Item::Entries {
                region: write.region,
                entries: &write.entries,
                moved: false,
            });
        }
        if let Some((base, term)) = write.compact_to
            && base > self.base
        {
            if base > self.last {
                return Err(format!("compaction to {base}, but it ends at {}", self.last));
            }
            (self.base, self.base_term) = (base, term);
            state_due = true;
        }
        if state_due {
            items.push(Item::State(self.state(write.region, false)));
            self.known = true;
        }
        Ok(())
    }

    fn remove(&mut self, write: &Write, items: &mut Vec<Item<'_>>) -> Result<(), String> {
        let alone = Write { region: write.region, remove: true, ..Write::default() };
        if *write != alone {
            return Err("a removal together with other changes".into());
        }
        if self.known {
            items.push(Item::Remove { region: write.region });
        }
        *self = Self::default();
        Ok(())
    }

    /// The last index after `entries`; `None` if there are none.
    fn check_entries(&self, entries: &[Entry]) -> Result<Option<Position>, String> {
        let Some(first) = entries.first().map(|entry| entry.index) else { return Ok(None) };
        if first <= self.base || first > self.last.next() {
            return Err(format!(
                "entries from {first}, but it is compacted to {} and ends at {}",
                self.base, self.last
            ));
        }
        let mut next = first;
        for entry in entries {
            if entry.index != next || next.get() >= u64::MAX - 1 {
                return Err(format!("entry {} where {next} belongs", entry.index));
            }
            if entry.data.len() > ENTRY_LIMIT {
                let len = entry.data.len();
                return Err(format!("entry {next} has {len} bytes, at most {ENTRY_LIMIT} fit"));
            }
            next = next.next();
        }
        Ok(Some(Position(next.get() - 1)))
    }

    fn state(&self, region: RegionId, reset: bool) -> State {
        State {
            region,
            hard_state: self.hard_state,
            base: self.base,
            base_term: self.base_term,
            reset,
            generation: self.generation,
        }
    }
}
