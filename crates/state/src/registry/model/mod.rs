//! The registry in memory: every question about it is answered from here, without the engine. What is
//! derived (tags of a service, places of ids, timers) is kept right by the few methods that change it.

mod blocks;
mod gone;
mod load;
mod members;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Revision;

use super::answer::{CheckTimer, Timer};
use super::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use super::record::{Check, Instance, Node, Session, Status};
pub(super) use gone::Gone;
use members::{InstanceEntry, Members, Place, Places};
use vocabulary::Vocabulary;

/// A namespace and an id in it.
pub(super) type Id = (Name, Name);

/// What the registry holds, as of the last command applied.
#[derive(Default, Debug)]
pub struct Registry {
    pub(super) nodes: BTreeMap<Name, NodeEntry>,
    pub(super) services: BTreeMap<ServiceName, ServiceEntry>,
    pub(super) sessions: BTreeMap<Name, Arc<Session>>,
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
    /// The revision that last changed the node or anything on it.
    pub(super) index: Revision,
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

    /// Whose instance the check is about; `None` for a check of a node.
    pub(super) fn service_of_check(&self, check: &Check) -> Option<ServiceName> {
        let id = (check.namespace.clone(), check.instance.clone());
        if check.is_of_node() { None } else { self.service_of(&check.node, &id) }
    }

    pub(super) fn insert_node(&mut self, record: Arc<Node>) {
        let index = record.modified;
        self.gone_nodes.remove(&record.name);
        match self.nodes.get_mut(&record.name) {
            Some(entry) => entry.record = record,
            None => {
                let entry = NodeEntry {
                    record: record.clone(),
                    index,
                    instances: BTreeMap::new(),
                    checks: Vec::new(),
                    check_count: 0,
                    sessions: BTreeSet::new(),
                };
                self.nodes.insert(record.name.clone(), entry);
            }
        }
    }

    /// Takes in an instance whose node is known, in the place of the one with its key, which is of the
    /// same service. Answers whether the service came about or has other tags now.
    pub(super) fn insert_instance(&mut self, mut record: Instance) -> bool {
        let Some(node) = self.nodes.get_mut(&record.node) else { return false };
        record.node = node.record.name.clone();
        self.vocabulary.share(&mut record.zone);
        let mut name = record.service_name();
        let is_new_service = match self.services.get_key_value(&name) {
            // The records of a service share its name.
            Some((known, _)) => {
                name = known.clone();
                (record.namespace, record.service) = (known.namespace.clone(), known.name.clone());
                false
            }
            None => true,
        };
        node.instances
            .insert((record.namespace.clone(), record.id.clone()), record.service.clone());
        self.instance_places.insert(Place {
            namespace: record.namespace.clone(),
            id: record.id.clone(),
            node: record.node.clone(),
            value: (),
        });
        self.gone_services.remove(&name);
        let service = self.services.entry(name).or_default();
        let mut other_tags = false;
        for tag in record.tags.iter() {
            match service.tags.get_mut(tag) {
                Some(count) => *count += 1,
                None => {
                    other_tags = true;
                    service.tags.insert(tag.clone(), 1);
                }
            }
        }
        let neighbour = service.instances.neighbour(&record.node, &record.id);
        let neighbour = neighbour.map(|entry| entry.record.clone());
        // Most instances of a service have the same tags and metadata.
        record.tags = match &neighbour {
            Some(known) if known.tags == record.tags => known.tags.clone(),
            _ => service.same_tags(&record.tags),
        };
        record.meta = match &neighbour {
            Some(known) if known.meta == record.meta => known.meta.clone(),
            _ => self.vocabulary.same_pairs(&record.meta),
        };
        let before = service.instances.insert(Arc::new(record));
        self.instances += usize::from(before.is_none());
        let lost = before.is_some_and(|before| service.forget_tags(&before));
        is_new_service || other_tags || lost
    }

    /// Drops an instance without checks. Answers it, and whether its service went or has other tags
    /// now; that the service is gone is for the caller to note.
    pub(super) fn drop_instance(&mut self, key: &InstanceKey) -> Option<(Arc<Instance>, bool)> {
        let node = self.nodes.get_mut(&key.node)?;
        let id = (key.namespace.clone(), key.id.clone());
        let name = ServiceName { namespace: id.0.clone(), name: node.instances.remove(&id)? };
        self.instance_places.remove(&id.0, &id.1, &key.node);
        let service = self.services.get_mut(&name)?;
        let entry = service.instances.remove(&key.node, &id.1)?;
        self.instances -= 1;
        let mut other = service.forget_tags(&entry.record);
        if service.instances.is_empty() {
            self.services.remove(&name);
            other = true;
        }
        Some((entry.record, other))
    }

    /// Takes in a check, or another version of it, whose node and instance are known. It must not be
    /// about another instance than before.
    pub(super) fn insert_check(&mut self, mut record: Check) {
        if let Some((name, _)) = self.nodes.get_key_value(&record.node) {
            record.node = name.clone();
        }
        let id = (record.namespace.clone(), record.instance.clone());
        let known = self.nodes.get(&record.node).and_then(|node| node.instances.get_key_value(&id));
        if let Some(((namespace, instance), _)) = known {
            record.namespace = namespace.clone();
            record.instance = instance.clone();
        }
        if record.name == record.id {
            record.name = record.id.clone();
        }
        self.vocabulary.share(&mut record.notes);
        self.vocabulary.share(&mut record.kind);
        let record = Arc::new(record);
        let place = Place {
            namespace: record.namespace.clone(),
            id: record.id.clone(),
            node: record.node.clone(),
            value: About { instance: record.instance.clone(), timer: record.timer },
        };
        if self.check_places.insert(place)
            && let Some(node) = self.nodes.get_mut(&record.node)
        {
            node.check_count += 1;
        }
        if record.counts_time() {
            self.timers.insert(record.timer, Owner::Check(record.clone()));
        } else {
            self.timers.remove(&record.timer);
        }
        let (node, namespace, instance) = (&record.node, &record.namespace, &record.instance);
        let Some(checks) = self.checks_at_mut(node, namespace, instance) else { return };
        match checks.binary_search_by(|it| it.place().cmp(&record.place())) {
            Ok(at) => checks[at] = record,
            Err(at) => {
                checks.reserve_exact(1);
                checks.insert(at, record);
            }
        }
    }

    pub(super) fn drop_check(&mut self, key: &CheckKey) -> Option<Arc<Check>> {
        let About { instance, .. } =
            self.check_places.remove(&key.namespace, &key.id, &key.node)?;
        self.nodes.get_mut(&key.node)?.check_count -= 1;
        let checks = self.checks_at_mut(&key.node, &key.namespace, &instance)?;
        let at = checks.binary_search_by(|it| it.place().cmp(&key.place())).ok()?;
        let record = checks.remove(at);
        self.timers.remove(&record.timer);
        Some(record)
    }

    pub(super) fn insert_session(&mut self, record: Session) {
        let record = Arc::new(record);
        if let Some(node) = self.nodes.get_mut(&record.node) {
            node.sessions.insert(record.id.clone());
        }
        if record.ttl_ms > 0 {
            self.timers.insert(record.timer, Owner::Session(record.clone()));
        }
        self.sessions.insert(record.id.clone(), record);
    }

    pub(super) fn drop_session(&mut self, id: &str) -> Option<Arc<Session>> {
        let record = self.sessions.remove(id)?;
        if let Some(node) = self.nodes.get_mut(&record.node) {
            node.sessions.remove(&record.id);
        }
        self.timers.remove(&record.timer);
        Some(record)
    }
}

impl ServiceEntry {
    /// The tags in the words the service has for them.
    fn same_tags(&self, tags: &[Name]) -> Arc<[Name]> {
        let known =
            |tag: &Name| self.tags.get_key_value(tag).map_or(tag, |(known, _)| known).clone();
        tags.iter().map(known).collect()
    }

    /// Whether a tag is on no instance any more.
    fn forget_tags(&mut self, instance: &Instance) -> bool {
        let mut lost = false;
        for tag in instance.tags.iter() {
            if let Some(count) = self.tags.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    self.tags.remove(tag);
                    lost = true;
                }
            }
        }
        lost
    }
}

impl Check {
    /// Whether a leader has to count anything for it.
    pub(super) fn counts_time(&self) -> bool {
        let definition = &self.definition;
        definition.ttl_ms > 0
            || definition.interval_ms > 0
            || (definition.deregister_after_ms > 0 && !self.is_of_node())
            || definition.success_before_passing > 1
            || definition.failures_before_warning > 0
            || definition.failures_before_critical > 1
    }

    /// Whether any word of it moves its deadline.
    pub(super) fn lives_by_beats(&self) -> bool {
        self.definition.ttl_ms > 0 && self.status != Status::Critical
    }

    /// What a leader has to count, where the check is about an instance of this service.
    pub(super) fn timer(&self, service: Option<&ServiceName>) -> Option<Timer> {
        let definition = &self.definition;
        self.counts_time().then(|| {
            Timer::Check(CheckTimer {
                status: self.status,
                ttl_ms: definition.ttl_ms,
                deregister_after_ms: service.map_or(0, |_| definition.deregister_after_ms),
                success_before_passing: definition.success_before_passing,
                failures_before_warning: definition.failures_before_warning,
                failures_before_critical: definition.failures_before_critical,
                service: service.cloned(),
            })
        })
    }

    pub(super) fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }
}

impl CheckKey {
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }
}
