//! Exactly once: a command that carries a session's number takes effect at one place of the log at
//! most, and one that was acknowledged did (Raft dissertation, 6.3).

use std::collections::BTreeMap;

use state::Effects;
use types::{Code, Index, RegionId, Revision};

use crate::registry::concerns_nobody;

/// Where a command was carried out first, and the revision its first outcome told.
#[derive(Clone, Copy)]
struct First {
    /// The region and the entry.
    at: (RegionId, Index),
    revision: Revision,
    effective: bool,
}

#[derive(Default)]
pub(crate) struct Once(BTreeMap<(RegionId, u64, u64), First>);

impl Once {
    /// Whether another entry carried the command out before, and this one only tells its outcome again.
    pub(crate) fn is_repeated(
        &self,
        (home, region, index): (RegionId, RegionId, Index),
        effects: &Effects,
    ) -> bool {
        let first = effects.session.and_then(|tag| self.0.get(&(home, tag.client, tag.sequence)));
        first.is_some_and(|first| first.at != (region, index))
    }

    pub(crate) fn applied(
        &mut self,
        (home, region, index): (RegionId, RegionId, Index),
        effects: &Effects,
    ) -> Result<(), String> {
        let Some(tag) = effects.session else { return Ok(()) };
        let refused = effects.outcome.result.as_ref().err();
        if refused.is_some_and(|fault| fault.code == Code::EpochMismatch) {
            return Ok(());
        }
        let effective = !effects.events.is_empty()
            || !effects.leases.is_empty()
            || !concerns_nobody(&effects.registry);
        let at = (region, index);
        let now = First { at, revision: effects.outcome.revision, effective };
        let key = (home, tag.client, tag.sequence);
        let first = *self.0.entry(key).or_insert(now);
        if first.at != at && effective {
            return Err(format!(
                "region {region}: command {} of client {} took effect in entry {index}, it was \
                 carried out in {:?} before",
                tag.sequence, tag.client, first.at
            ));
        }
        Ok(())
    }

    /// A client was told that its command was carried out.
    pub(crate) fn acknowledged(
        &self,
        region: RegionId,
        client: u64,
        sequence: u64,
        revision: Revision,
    ) -> Result<(), String> {
        match self.0.get(&(region, client, sequence)) {
            Some(first) if first.revision == revision || !first.effective => Ok(()),
            Some(first) => Err(format!(
                "region {region}: command {sequence} of client {client} was answered revision \
                 {revision}, it made {}",
                first.revision
            )),
            None => Err(format!(
                "region {region}: command {sequence} of client {client} was acknowledged and is \
                 in nobody's log"
            )),
        }
    }
}
