//! The registry in memory: every question about it is answered from here, without the engine. What is
//! derived (tags of a service, places of ids, timers) is kept right by the few methods that change it.

mod blocks;
mod change;
mod gone;
mod load;
mod members;
mod named;
mod places;
mod timers;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Revision;

use super::archive::Staged;
use super::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use super::record::{Check, Node, Session};
use blocks::Spot;
pub(super) use change::Taken;
pub(super) use gone::Gone;
pub(super) use members::{InstanceEntry, Resident};
use members::{Members, Residents};
pub(super) use named::{Named, Slot};
use places::Places;
pub(super) use timers::Timers;
use vocabulary::Vocabulary;

/// What the registry holds, as of the last command applied.
#[derive(Default, Debug)]
pub struct Registry {
    pub(super) nodes: Named<Name, NodeEntry>,
    pub(super) services: Named<ServiceName, ServiceEntry>,
    pub(super) sessions: BTreeMap<Name, Arc<Session>>,
    /// Checks, and the sessions that end with them.
    hanging: BTreeSet<(CheckKey, Name)>,
    pub(super) instance_places: Places<()>,
    pub(super) check_places: Places<About>,
    pub(super) timers: Timers,
    pub(super) gone_services: Gone<ServiceName>,
    pub(super) gone_nodes: Gone<Name>,
    /// The indexes of the lists of nodes, of checks, of sessions.
    pub(super) lists: Lists,
    /// The index of each namespace's list of services.
    pub(super) service_lists: BTreeMap<Name, Revision>,
    pub(super) instances: usize,
    vocabulary: Vocabulary,
    pub(super) staged: Staged,
    pub(super) mirrored: Mirrored,
}

/// At which revisions of its home a shard knows nodes.
#[derive(Default, Debug)]
pub(super) struct Mirrored {
    pub(super) nodes: BTreeMap<Name, Revision>,
    /// The newest of those at which one that is not there any more was gone.
    pub(super) gone: Revision,
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
    pub(super) instances: Residents,
    /// Checks of the node itself, ascending by namespace and id.
    pub(super) checks: Vec<Arc<Check>>,
    /// How many checks there are with those of its instances.
    pub(super) check_count: usize,
    pub(super) sessions: BTreeSet<Name>,
}

#[derive(Debug)]
pub(super) struct ServiceEntry {
    pub(super) name: ServiceName,
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

/// Where an instance is; good until the next change.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) service: Slot,
    spot: Spot,
}

/// Where a check is, or is to be; good until the next change.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckAt {
    pub(super) node: Slot,
    /// The instance it is about; `None` for the node.
    pub(super) at: Option<At>,
    /// Among all checks of its id.
    spot: Spot,
}

impl Registry {
    /// Finds an instance on a node: two searches, in what is on the node and in the service.
    pub(super) fn find_instance(&self, node: Slot, namespace: &str, id: &str) -> Option<At> {
        let entry = self.nodes.at(node)?;
        let service = entry.instances.get(namespace, id)?;
        let spot = self.services.at(service)?.instances.find(&entry.record.name, id);
        Some(At { service, spot })
    }

    pub(super) fn instance_at(&self, at: At) -> Option<&InstanceEntry> {
        self.services.at(at.service)?.instances.at(at.spot)
    }

    fn instance_on(&self, node: Slot, namespace: &str, id: &str) -> Option<&InstanceEntry> {
        self.instance_at(self.find_instance(node, namespace, id)?)
    }

    pub(super) fn instance_entry(&self, key: &InstanceKey) -> Option<&InstanceEntry> {
        self.instance_on(self.nodes.find(&key.node)?, &key.namespace, &key.id)
    }

    /// The checks that lie where those of an instance do; those of the node itself for `None`.
    fn checks_at(&self, node: Slot, at: Option<At>) -> Option<&Vec<Arc<Check>>> {
        match at {
            None => Some(&self.nodes.at(node)?.checks),
            Some(at) => Some(&self.instance_at(at)?.checks),
        }
    }

    fn checks_at_mut(&mut self, node: Slot, at: Option<At>) -> Option<&mut Vec<Arc<Check>>> {
        match at {
            None => Some(&mut self.nodes.at_mut(node)?.checks),
            Some(at) => {
                Some(&mut self.services.at_mut(at.service)?.instances.at_mut(at.spot)?.checks)
            }
        }
    }

    /// Where the checks about an instance lie, or about the node if its id is empty. `None` if there
    /// is no such instance.
    pub(super) fn find_about(
        &self,
        node: Slot,
        namespace: &str,
        instance: &str,
    ) -> Option<Option<At>> {
        if instance.is_empty() {
            return Some(None);
        }
        self.find_instance(node, namespace, instance).map(Some)
    }

    pub(super) fn check_at(&self, key: &CheckKey) -> Option<&Arc<Check>> {
        self.check_on(self.nodes.find(&key.node)?, &key.namespace, &key.id)
    }

    pub(super) fn check_on(&self, node: Slot, namespace: &str, id: &str) -> Option<&Arc<Check>> {
        let about = self.check_places.get(namespace, id, node)?;
        let at = self.find_about(node, namespace, &about.instance)?;
        self.check_beside(node, at, namespace, id)
    }

    /// The check of this id, if it is about this instance (or the node).
    pub(super) fn check_beside(
        &self,
        node: Slot,
        at: Option<At>,
        namespace: &str,
        id: &str,
    ) -> Option<&Arc<Check>> {
        let checks = self.checks_at(node, at)?;
        let at = checks.binary_search_by(|it| it.place().cmp(&(namespace, id))).ok()?;
        checks.get(at)
    }

    /// Where a check about this instance (or the node) is, or is to be.
    pub(super) fn check_place(&self, node: Slot, at: Option<At>, check: &Check) -> CheckAt {
        let spot = self.check_places.spot(&check.namespace, &check.id, node);
        CheckAt { node, at, spot }
    }

    /// Whether a check of this id is there, about whatever.
    pub(super) fn is_check(&self, place: CheckAt) -> bool {
        self.check_places.at(place.spot).is_some()
    }

    /// The sessions that hang on a check.
    pub(super) fn hanging_on<'a>(&'a self, check: &'a CheckKey) -> impl Iterator<Item = &'a Name> {
        let from = (check.clone(), Name::default());
        let pairs = self.hanging.range(from..).take_while(move |(it, _)| it == check);
        pairs.map(|(_, session)| session)
    }

    /// How many checks on a node are about the same as this one, an instance or the node.
    pub(super) fn checks_beside(&self, node: Slot, check: &Check) -> usize {
        let at = self.find_about(node, &check.namespace, &check.instance);
        at.and_then(|at| self.checks_at(node, at)).map_or(0, Vec::len)
    }

    /// Whether a check is on a node, and about this instance (or the node).
    pub(super) fn has_check(&self, node: Slot, check: &Check) -> bool {
        let known = self.check_places.get(&check.namespace, &check.id, node);
        known.is_some_and(|known| known.instance == check.instance)
    }

    /// Whose instance the check is about; `None` for a check of a node.
    pub(super) fn service_of_check(&self, check: &Check) -> Option<&ServiceName> {
        if check.is_of_node() {
            return None;
        }
        let node = self.nodes.get(&check.node)?;
        let service = node.instances.get(&check.namespace, &check.instance)?;
        self.services.at(service).map(|entry| &entry.name)
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
