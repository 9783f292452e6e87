//! Election safety: at most one leader in a term (Raft paper, figure 3; TLA+ `NoTwoLeaders`).

use std::collections::BTreeMap;

use consensus::Role;
use region::RoleChange;
use types::{NodeId, RegionId, Term};

#[derive(Default)]
pub(crate) struct Elections(BTreeMap<(RegionId, Term), NodeId>);

impl Elections {
    pub(crate) fn role(&mut self, node: NodeId, change: &RoleChange) -> Result<(), String> {
        if change.role != Role::Leader {
            return Ok(());
        }
        let leader = *self.0.entry((change.region, change.term)).or_insert(node);
        if leader == node {
            return Ok(());
        }
        let RoleChange { region, term, .. } = change;
        Err(format!("region {region}: {leader} and {node} both lead term {term}"))
    }
}
