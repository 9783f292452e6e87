//! Revisions only go up, and in real time: an answer never shows a revision below one that was
//! answered before its question was put (strict serializability of a region, seen by its revisions).

use std::collections::BTreeMap;

use bytes::Bytes;
use state::Effects;
use types::{Index, RegionId, Revision};

use crate::registry::concerns_nobody;

#[derive(Default)]
pub(crate) struct Revisions {
    /// The newest revision that was answered.
    answered: BTreeMap<RegionId, Revision>,
    /// The same of each key of a sharded keyspace, whichever region answers.
    keys: BTreeMap<Bytes, Revision>,
    /// Which entry made a revision.
    made: BTreeMap<(RegionId, Revision), Index>,
}

impl Revisions {
    pub(crate) fn applied(
        &mut self,
        region: RegionId,
        index: Index,
        effects: &Effects,
        (before, after): (Revision, Revision),
    ) -> Result<(), String> {
        let events = &effects.events;
        let changes = !events.is_empty() || !concerns_nobody(&effects.registry);
        if after < before || (after > before) != changes {
            let count = events.len();
            return Err(format!(
                "region {region} entry {index}: {count} events, revision {before} to {after}"
            ));
        }
        for event in events {
            let revision = event.position.revision;
            if revision <= before || revision > after {
                return Err(format!(
                    "region {region} entry {index}: an event of {revision} in {before} to {after}"
                ));
            }
            let made = *self.made.entry((region, revision)).or_insert(index);
            if made != index {
                return Err(format!(
                    "region {region}: entries {made} and {index} both made revision {revision}"
                ));
            }
        }
        Ok(())
    }

    /// [`Self::floor`] of a key of a sharded keyspace.
    pub(crate) fn floor_of(&self, key: &Bytes) -> Revision {
        self.keys.get(key).copied().unwrap_or_default()
    }

    /// [`Self::answered`] for such a key: its region may be another one by now, and goes on from there.
    pub(crate) fn answered_of(
        &mut self,
        key: &Bytes,
        floor: Revision,
        revision: Revision,
    ) -> Result<(), String> {
        let newest = self.keys.entry(key.clone()).or_default();
        *newest = revision.max(*newest);
        if revision >= floor {
            return Ok(());
        }
        Err(format!("{key:?}: answered revision {revision}, {floor} was answered before"))
    }

    /// A question is put: the revision its answer must have reached.
    pub(crate) fn floor(&self, region: RegionId) -> Revision {
        self.answered.get(&region).copied().unwrap_or_default()
    }

    /// A question is answered.
    pub(crate) fn answered(
        &mut self,
        region: RegionId,
        floor: Revision,
        revision: Revision,
    ) -> Result<(), String> {
        let newest = self.answered.entry(region).or_default();
        *newest = revision.max(*newest);
        if revision >= floor {
            return Ok(());
        }
        Err(format!("region {region}: answered revision {revision}, {floor} was answered before"))
    }
}
