//! State machine safety: the same entry has the same effects on every replica and after every
//! restart, and the state after it is the same (Raft paper, figure 3).

use std::collections::BTreeMap;

use state::Effects;
use state::response::EventKind;
use types::{Index, NodeId, RegionId, Revision};

use crate::trace::{hash, mix};

#[derive(Default)]
pub(crate) struct Machines(BTreeMap<(RegionId, Index), (u64, Revision)>);

impl Machines {
    pub(crate) fn applied(
        &mut self,
        node: NodeId,
        region: RegionId,
        index: Index,
        effects: &Effects,
        revision: Revision,
    ) -> Result<(), String> {
        let now = (digest(effects), revision);
        let first = *self.0.entry((region, index)).or_insert(now);
        if first == now {
            return Ok(());
        }
        Err(format!(
            "region {region} entry {index}: node {node} is at revision {} after it, another at \
             {}, or the effects differ: {effects:?}",
            revision, first.1
        ))
    }

    /// A snapshot was installed: its revision must be the one of that index.
    pub(crate) fn installed(
        &self,
        node: NodeId,
        region: RegionId,
        index: Index,
        revision: Revision,
    ) -> Result<(), String> {
        match self.0.get(&(region, index)) {
            Some((_, known)) if *known != revision => Err(format!(
                "region {region}: node {node} installed {index} with revision {revision}, not {known}"
            )),
            _ => Ok(()),
        }
    }
}

fn digest(effects: &Effects) -> u64 {
    let mut sum = hash(&effects.outcome.encode());
    sum = mix(sum, effects.session.map_or(0, |tag| mix(tag.client, tag.sequence)));
    for event in &effects.events {
        let kv = &event.kv;
        sum = mix(sum, u64::from(event.kind == EventKind::Put));
        sum = mix(sum, hash(&kv.key));
        sum = mix(sum, hash(&kv.value));
        let numbers = [
            kv.create_revision.get(),
            kv.mod_revision.get(),
            kv.version,
            kv.lease.get(),
            event.position.revision.get(),
            i64::from(event.position.sub),
            event.previous.map_or(0, |previous| previous.revision.get()),
        ];
        sum = numbers.into_iter().fold(sum, |sum, number| mix(sum, number.cast_unsigned()));
    }
    for change in &effects.leases {
        let (id, ttl) = match change {
            state::LeaseChange::Granted { id, ttl_seconds } => (*id, *ttl_seconds),
            state::LeaseChange::Revoked { id } => (*id, -1),
        };
        sum = mix(mix(sum, id.get().cast_unsigned()), ttl.cast_unsigned());
    }
    if !effects.registry.is_empty() {
        sum = mix(sum, hash(format!("{:?}", effects.registry).as_bytes()));
    }
    sum
}
