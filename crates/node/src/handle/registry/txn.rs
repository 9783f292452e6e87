//! Consul's transactions in a sharded registry.

use std::collections::BTreeSet;

use state::registry::{CatalogOp, InstanceKey, Name, Registries, RegistryCommand, TxnOp};
use state::response::Response;
use types::{Code, Fault};

use super::super::Handle;
use super::register::{key_of, service_of};
use super::route::{HOME, not_sharded};
use crate::answer::{Answer, Consistency};
use crate::registry::Parts;

impl Handle {
    /// Consul's transactions are of one revision: of the home's, or of one shard's.
    pub(super) async fn txn_of_parts(
        &self,
        parts: &Parts,
        ops: Vec<TxnOp>,
    ) -> Result<Answer<Response>, Fault> {
        let shards = self.registry_shards(parts.home).await?;
        self.confirm_all(&shards, Consistency::Linearizable).await?;
        let look = |all: Registries<'_>| -> BTreeSet<usize> {
            ops.iter().flat_map(|op| places_of(parts, op, all)).collect()
        };
        let (places, _) = self.ask_here(&shards, look)?;
        let mut names: Vec<Name> = ops.iter().filter_map(node_of).collect();
        names.sort();
        names.dedup();
        let number = match places.into_iter().collect::<Vec<usize>>()[..] {
            [] => HOME,
            [number] => number,
            _ => return Err(not_sharded("a transaction on more than one shard of services")),
        };
        if number != HOME {
            for name in &names {
                match self.settle(parts, name, number).await {
                    // The shard says it in Consul's words.
                    Err(fault) if fault.code == Code::NodeUnknown => {}
                    settled => settled?,
                }
            }
        }
        let answer = self.at_part(parts, number, RegistryCommand::Txn(ops)).await?;
        if number == HOME && !names.is_empty() {
            self.tell_shards(parts, &names).await?;
        }
        Ok(answer)
    }
}

/// The parts that an operation is about; none for what is nowhere.
fn places_of(parts: &Parts, op: &TxnOp, all: Registries<'_>) -> Vec<usize> {
    let TxnOp::Catalog(op) = op else { return vec![HOME] };
    match op {
        CatalogOp::GetNode { .. } | CatalogOp::SetNode { .. } | CatalogOp::DeleteNode { .. } => {
            vec![HOME]
        }
        CatalogOp::SetInstance { instance, .. } => {
            let mut places = all.parts_with_instance(&key_of(&instance.node, instance));
            places.push(parts.number_of(&service_of(instance)));
            places
        }
        CatalogOp::GetInstance(key) | CatalogOp::DeleteInstance { key, .. } => {
            all.parts_with_instance(key)
        }
        CatalogOp::SetCheck { check, .. } if check.is_of_node() => {
            let mut places = all.parts_with_check(&check.key());
            places.push(HOME);
            places
        }
        CatalogOp::SetCheck { check, .. } => {
            let about = InstanceKey {
                node: Name::clone(&check.node),
                namespace: Name::clone(&check.namespace),
                id: Name::clone(&check.instance),
            };
            let mut places = all.parts_with_check(&check.key());
            places.extend(all.parts_with_instance(&about));
            places
        }
        CatalogOp::GetCheck(key) | CatalogOp::DeleteCheck { key, .. } => all.parts_with_check(key),
    }
}

/// The node whose record or checks an operation may change, or has to be there.
fn node_of(op: &TxnOp) -> Option<Name> {
    let TxnOp::Catalog(op) = op else { return None };
    match op {
        CatalogOp::SetNode { node, .. } => Some(Name::clone(&node.name)),
        CatalogOp::DeleteNode { name, .. } => Some(Name::clone(name)),
        CatalogOp::SetInstance { instance, .. } => Some(Name::clone(&instance.node)),
        CatalogOp::SetCheck { check, .. } => Some(Name::clone(&check.node)),
        CatalogOp::DeleteCheck { key, .. } => Some(Name::clone(&key.node)),
        CatalogOp::GetNode { .. }
        | CatalogOp::GetInstance(_)
        | CatalogOp::GetCheck(_)
        | CatalogOp::DeleteInstance { .. } => None,
    }
}
