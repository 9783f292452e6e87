//! Committed entries never change: log matching, leader completeness and state machine safety seen
//! from what is applied (Raft paper, figure 3 and 5.4).

use std::collections::BTreeMap;

use types::{Entry, EntryKind, Index, NodeId, RegionId, Term};

use crate::trace::hash;

type Known = (Term, u64);

/// Every entry that any replica ever applied.
#[derive(Default)]
pub(crate) struct CommittedLog(BTreeMap<RegionId, BTreeMap<Index, Known>>);

fn known(entry: &Entry) -> Known {
    (entry.term, hash(&entry.data) ^ u64::from(entry.kind == EntryKind::ConfChange))
}

impl CommittedLog {
    /// A replica applies an entry; answers whether it is the first one to do so.
    pub(crate) fn applied(
        &mut self,
        node: NodeId,
        region: RegionId,
        entry: &Entry,
    ) -> Result<bool, String> {
        let log = self.0.entry(region).or_default();
        let is = known(entry);
        if let Some(was) = log.get(&entry.index) {
            if *was == is {
                return Ok(false);
            }
            let index = entry.index;
            return Err(format!(
                "region {region} entry {index}: committed as {was:?}, node {node} applies {is:?}"
            ));
        }
        let before = log.last_key_value().map_or(Term(0), |(_, (term, _))| *term);
        log.insert(entry.index, is);
        if entry.term < before {
            let (index, term) = (entry.index, entry.term);
            return Err(format!("region {region} entry {index}: term {term} after {before}"));
        }
        Ok(true)
    }

    /// The last entry known committed.
    pub(crate) fn last(&self, region: RegionId) -> Index {
        let log = self.0.get(&region);
        log.and_then(|log| log.last_key_value()).map_or(Index(0), |(index, _)| *index)
    }

    /// An entry as a disk has it, held against what was committed there.
    pub(crate) fn stored(
        &self,
        node: NodeId,
        region: RegionId,
        entry: &Entry,
    ) -> Result<(), String> {
        let was = self.0.get(&region).and_then(|log| log.get(&entry.index));
        match was {
            Some(was) if *was != known(entry) => Err(format!(
                "region {region} entry {}: committed as {was:?}, node {node} has {:?}",
                entry.index,
                known(entry)
            )),
            _ => Ok(()),
        }
    }
}
