//! Election safety: at most one leader in a term (Raft paper, figure 3; TLA+ `NoTwoLeaders`).

use std::collections::BTreeMap;

use consensus::Role;
use region::RoleChange;
use types::{NodeId, RegionId, Term};

#[derive(Default)]
pub(crate) struct Elections {
    leaders: BTreeMap<(RegionId, Term), NodeId>,
    /// The newest term that had a leader.
    newest: BTreeMap<RegionId, Term>,
}

impl Elections {
    pub(crate) fn role(&mut self, node: NodeId, change: &RoleChange) -> Result<(), String> {
        if change.role != Role::Leader {
            return Ok(());
        }
        let newest = self.newest.entry(change.region).or_default();
        *newest = change.term.max(*newest);
        let leader = *self.leaders.entry((change.region, change.term)).or_insert(node);
        if leader == node {
            return Ok(());
        }
        let RoleChange { region, term, .. } = change;
        Err(format!("region {region}: {leader} and {node} both lead term {term}"))
    }

    /// A node answers by itself as the leader of `term`: nobody may lead a later one yet (the lease
    /// of a leader; Raft dissertation, 6.4.1).
    pub(crate) fn answers_alone(
        &self,
        node: NodeId,
        region: RegionId,
        term: Term,
    ) -> Result<(), String> {
        match self.newest.get(&region) {
            Some(newest) if *newest > term => Err(format!(
                "region {region}: {node} answers by its lease of term {term}, {newest} has a leader"
            )),
            _ => Ok(()),
        }
    }
}
