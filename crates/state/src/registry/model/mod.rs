//! The registry in memory: every question about it is answered from here, without the engine. What is
//! derived (tags of a service, places of ids, timers) is kept right by the few methods that change it.

mod blocks;
mod change;
mod gone;
mod load;
mod members;
mod timers;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Revision;

use super::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use super::record::{Check, Node, Session};
pub(super) use gone::Gone;
use members::{InstanceEntry, Members, Places};
use vocabulary::Vocabulary;

/// A namespace and an id in it.
pub(super) type Id = (Name, Name);

/// What the registry holds, as of the last command applied.
#[derive(Default, Debug)]
pub struct Registry {
    pub(super) nodes: BTreeMap<Name, NodeEntry>,
    pub(super) services: BTreeMap<ServiceName, ServiceEntry>,
    pub(super) sessions: BTreeMap<Name, Arc<Session>>,
    /// Checks, and the sessions that end with them.
    hanging: BTreeSet<(CheckKey, Name)>,
    pub(super) instance_places: Places<()>,
    pub(super) check_places: Places<About>,
    pub(super) timers: BTreeMap<TimerId, Owner>,
    pub(super) gone_services: Gone<ServiceName>,
    pub(super) gone_nodes: Gone<Name>,
    /// The indexes of the lists of nodes, of checks, of sessions.
    pub(super) lists: Lists,
    /// The index of each namespace's list of services.
    pub(super) service_lists: BTreeMap<Name, Revision>,
    pub(super) instances: usize,
    vocabulary: Vocabulary,
}

/// What a check is about, and what its deadline is known by: a heartbeat needs nothing more.
#[derive(Debug)]
pub(super) struct About {
    /// The instance, by id; empty for the node.
    pub(super) instance: Name,
    pub(super) timer: TimerId,
}

/// The revisions that last changed what spans services.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Lists {
    pub(super) nodes: Revision,
    pub(super) checks: Revision,
    pub(super) sessions: Revision,
}

#[derive(Debug)]
pub(super) struct NodeEntry {
    pub(super) record: Arc<Node>,
    /// The revision that last changed the node or an instance on it.
    pub(super) index: Revision,
    /// The revision that last changed what an answer about the checks on it shows.
    pub(super) checks_index: Revision,
    /// The service of each instance on it.
    pub(super) instances: BTreeMap<Id, Name>,
    /// Checks of the node itself, ascending by namespace and id.
    pub(super) checks: Vec<Arc<Check>>,
    /// How many checks there are with those of its instances.
    pub(super) check_count: usize,
    pub(super) sessions: BTreeSet<Name>,
}

#[derive(Default, Debug)]
pub(super) struct ServiceEntry {
    pub(super) instances: Members,
    /// How many times each tag is there.
    pub(super) tags: BTreeMap<Name, u32>,
    /// The revision that last changed anything an answer about the service shows.
    pub(super) index: Revision,
    /// The revision that last changed what an answer about the checks of its instances shows.
    pub(super) checks_index: Revision,
}

/// Whose a timer is.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Check(Arc<Check>),
    Session(Arc<Session>),
}

impl Registry {
    pub(super) fn service_of(&self, node: &str, id: &Id) -> Option<ServiceName> {
        let name = self.nodes.get(node)?.instances.get(id)?.clone();
        Some(ServiceName { namespace: id.0.clone(), name })
    }

    pub(super) fn instance_entry(&self, key: &InstanceKey) -> Option<&InstanceEntry> {
        let id = (key.namespace.clone(), key.id.clone());
        let service = self.service_of(&key.node, &id)?;
        self.services.get(&service)?.instances.get(&key.node, &id.1)
    }

    /// The checks that lie where those of `instance` on `node` do; the node's own for the empty name.
    fn checks_at(
        &self,
        node: &Name,
        namespace: &Name,
        instance: &Name,
    ) -> Option<&Vec<Arc<Check>>> {
        if instance.is_empty() {
            return Some(&self.nodes.get(node)?.checks);
        }
        let service = self.service_of(node, &(namespace.clone(), instance.clone()))?;
        let entry = self.services.get(&service)?.instances.get(node, instance)?;
        Some(&entry.checks)
    }

    fn checks_at_mut(
        &mut self,
        node: &Name,
        namespace: &Name,
        instance: &Name,
    ) -> Option<&mut Vec<Arc<Check>>> {
        if instance.is_empty() {
            return Some(&mut self.nodes.get_mut(node)?.checks);
        }
        let service = self.service_of(node, &(namespace.clone(), instance.clone()))?;
        let service = self.services.get_mut(&service)?;
        Some(&mut service.instances.get_mut(node, instance)?.checks)
    }

    pub(super) fn check_at(&self, key: &CheckKey) -> Option<&Arc<Check>> {
        let about = self.check_places.get(&key.namespace, &key.id, &key.node)?;
        let checks = self.checks_at(&key.node, &key.namespace, &about.instance)?;
        let at = checks.binary_search_by(|it| it.place().cmp(&key.place())).ok()?;
        checks.get(at)
    }

    /// The sessions that hang on a check.
    pub(super) fn hanging_on<'a>(&'a self, check: &'a CheckKey) -> impl Iterator<Item = &'a Name> {
        let from = (check.clone(), Name::default());
        let pairs = self.hanging.range(from..).take_while(move |(it, _)| it == check);
        pairs.map(|(_, session)| session)
    }

    /// How many checks on a node are about the same as this one, an instance or the node.
    pub(super) fn checks_beside(&self, node: &Name, check: &Check) -> usize {
        self.checks_at(node, &check.namespace, &check.instance).map_or(0, Vec::len)
    }

    /// Whether a check is on a node, and about this instance (or the node).
    pub(super) fn has_check(&self, node: &Name, check: &Check) -> bool {
        let known = self.check_places.get(&check.namespace, &check.id, node);
        known.is_some_and(|known| known.instance == check.instance)
    }

    /// Whose instance the check is about; `None` for a check of a node.
    pub(super) fn service_of_check(&self, check: &Check) -> Option<ServiceName> {
        let id = (check.namespace.clone(), check.instance.clone());
        if check.is_of_node() { None } else { self.service_of(&check.node, &id) }
    }
}

impl Check {
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }
}

impl CheckKey {
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }
}
