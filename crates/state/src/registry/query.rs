//! Questions, answered from memory. Each answer comes with the index of what was asked for: it moves
//! when, and only when, that answer can be another one, and it never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::Revision;

use super::answer::Timer;
use super::command::Expiry;
use super::deadlines::Due;
use super::model::{InstanceEntry, NodeEntry, Owner, Registry, Resident, ServiceEntry, Slot};
use super::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use super::record::{Check, Instance, Node, Session, Status};

/// An answer, and the revision that last changed it; never 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indexed<T> {
    /// What to give back for a wait.
    pub index: Revision,
    /// The answer.
    pub value: T,
}

/// Which instances of a service are wanted, and which of them first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InstanceFilter {
    /// Only those of which every check passes, those of their node included.
    pub passing_only: bool,
    /// Only those that have all of these tags.
    pub tags: Vec<Name>,
    /// Only those on nodes that have all of these in their metadata.
    pub node_meta: Vec<(Name, Name)>,
    /// Those on this node first.
    pub near_node: Option<Name>,
    /// Then those of this zone.
    pub near_zone: Option<Name>,
}

/// An instance with all that says whether it can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The node it is on.
    pub node: Arc<Node>,
    /// The instance.
    pub instance: Arc<Instance>,
    /// The checks of its node, then its own.
    pub checks: Vec<Arc<Check>>,
}

/// A node with what is on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeServices {
    /// The node.
    pub node: Arc<Node>,
    /// Its instances, by namespace and id.
    pub instances: Vec<Arc<Instance>>,
}

/// A check, and the instance it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedCheck {
    /// The check.
    pub check: Arc<Check>,
    /// Its instance, of which clients are shown name and tags; `None` for a check of a node.
    pub instance: Option<Arc<Instance>>,
}

fn seen(index: Revision) -> Revision {
    index.max(Revision(1))
}

impl Registry {
    /// The instances of a service, by node and id; nothing for a service that is not there.
    #[must_use]
    pub fn service(&self, service: &ServiceName, filter: &InstanceFilter) -> Indexed<Vec<Member>> {
        let Some(entry) = self.services.get(service) else {
            let index = self.gone_services.index(service);
            return Indexed { index, value: Vec::new() };
        };
        let mut value: Vec<Member> = self.members(entry).filter(|it| filter.takes(it)).collect();
        if filter.near_node.is_some() || filter.near_zone.is_some() {
            // Stable: among those alike the order is that of all lists.
            value.sort_by_key(|member| filter.distance(member));
        }
        Indexed { index: seen(entry.index), value }
    }

    fn members<'a>(&'a self, entry: &'a ServiceEntry) -> impl Iterator<Item = Member> + 'a {
        entry.instances.iter().filter_map(|instance| {
            let node = self.nodes.get(&instance.record.node)?;
            Some(Member {
                node: node.record.clone(),
                instance: instance.record.clone(),
                checks: node.checks.iter().chain(&instance.checks).cloned().collect(),
            })
        })
    }

    /// The services of a namespace, each with every tag that any instance of it has.
    #[must_use]
    pub fn services(&self, namespace: &str) -> Indexed<BTreeMap<Name, Vec<Name>>> {
        let value = self
            .services_of(namespace)
            .map(|(it, entry)| (it.name.clone(), entry.tags.keys().cloned().collect()))
            .collect();
        let index = self.service_lists.get(namespace).copied().unwrap_or_default();
        Indexed { index: seen(index), value }
    }

    fn services_of(&self, namespace: &str) -> impl Iterator<Item = (&ServiceName, &ServiceEntry)> {
        let all = self.services.range(ServiceName::new(namespace, "")..);
        all.take_while(move |(it, _)| &*it.namespace == namespace)
    }

    /// The nodes that have all of `meta` in their metadata, by name.
    #[must_use]
    pub fn nodes(&self, meta: &[(Name, Name)]) -> Indexed<Vec<Arc<Node>>> {
        let nodes = self.nodes.values().map(|node| &node.record);
        let value = nodes.filter(|node| has_pairs(&node.meta, meta)).cloned().collect();
        Indexed { index: seen(self.lists.nodes), value }
    }

    /// A node with its instances.
    #[must_use]
    pub fn node(&self, name: &Name) -> Indexed<Option<NodeServices>> {
        let Some(entry) = self.nodes.get(name) else {
            return Indexed { index: self.gone_nodes.index(name), value: None };
        };
        let instances = self.entries(entry, entry.instances.sorted());
        let instances = instances.map(|entry| entry.record.clone());
        let value = NodeServices { node: entry.record.clone(), instances: instances.collect() };
        Indexed { index: seen(entry.index), value: Some(value) }
    }

    /// What is known of these instances on a node.
    fn entries<'a>(
        &'a self,
        node: &'a NodeEntry,
        residents: Vec<&'a Resident>,
    ) -> impl Iterator<Item = &'a InstanceEntry> + 'a {
        residents.into_iter().filter_map(|it| {
            let instances = &self.services.at(it.service)?.instances;
            instances.at(instances.find(&node.record.name, &it.id))
        })
    }

    /// The instances of a namespace on a node, by id.
    #[must_use]
    pub fn node_instances(&self, name: &Name, namespace: &str) -> Indexed<Vec<Arc<Instance>>> {
        let Some(entry) = self.nodes.get(name) else {
            return Indexed { index: self.gone_nodes.index(name), value: Vec::new() };
        };
        let mut residents = entry.instances.sorted();
        residents.retain(|it| &*it.namespace == namespace);
        let value = self.entries(entry, residents);
        let value = value.map(|entry| entry.record.clone()).collect();
        Indexed { index: seen(entry.index), value }
    }

    /// The checks on a node, its own and then those of its instances.
    #[must_use]
    pub fn node_checks(&self, name: &Name) -> Indexed<Vec<NamedCheck>> {
        let Some(entry) = self.nodes.get(name) else {
            return Indexed { index: self.gone_nodes.index(name), value: Vec::new() };
        };
        let own =
            entry.checks.iter().map(|check| NamedCheck { check: check.clone(), instance: None });
        let of_instances = self.entries(entry, entry.instances.sorted()).flat_map(named);
        Indexed { index: seen(entry.checks_index), value: own.chain(of_instances).collect() }
    }

    /// The checks of a service's instances, by node and instance.
    #[must_use]
    pub fn service_checks(&self, service: &ServiceName) -> Indexed<Vec<NamedCheck>> {
        let Some(entry) = self.services.get(service) else {
            return Indexed { index: self.gone_services.index(service), value: Vec::new() };
        };
        let value = entry.instances.iter().flat_map(named).collect();
        Indexed { index: seen(entry.checks_index), value }
    }

    /// Every check of a namespace that stands so, or every one, by id and node.
    #[must_use]
    pub fn checks(&self, namespace: &str, status: Option<Status>) -> Indexed<Vec<NamedCheck>> {
        let of_nodes = self.nodes.values().flat_map(|node| &node.checks);
        let of_nodes = of_nodes.filter(|check| &*check.namespace == namespace);
        let of_nodes = of_nodes.map(|check| NamedCheck { check: check.clone(), instance: None });
        let services = self.services_of(namespace).map(|(_, entry)| entry);
        let of_instances = services.flat_map(|entry| entry.instances.iter()).flat_map(named);
        let found = of_nodes.chain(of_instances);
        let found = found.filter(|it| status.is_none_or(|wanted| it.check.status == wanted));
        let mut value: Vec<NamedCheck> = found.collect();
        value.sort_by(|one, next| {
            (&one.check.id, &one.check.node).cmp(&(&next.check.id, &next.check.node))
        });
        Indexed { index: seen(self.lists.checks), value }
    }

    /// One check.
    #[must_use]
    pub fn check(&self, key: &CheckKey) -> Option<NamedCheck> {
        let check = self.check_at(key)?.clone();
        let instance = InstanceKey {
            node: key.node.clone(),
            namespace: key.namespace.clone(),
            id: check.instance.clone(),
        };
        let entry = if check.is_of_node() { None } else { self.instance_entry(&instance) };
        Some(NamedCheck { check, instance: entry.map(|entry| entry.record.clone()) })
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.instance_entry(key).map(|entry| entry.record.clone())
    }

    /// The checks of a node itself, and those of an instance on it if an id is named; `None` if that is not
    /// there.
    #[must_use]
    pub fn checks_about(
        &self,
        node: &str,
        namespace: &str,
        instance: &str,
    ) -> Option<Vec<Arc<Check>>> {
        let slot = self.nodes.find(node)?;
        let mut checks = self.nodes.at(slot)?.checks.clone();
        if !instance.is_empty() {
            let at = self.find_instance(slot, namespace, instance)?;
            checks.extend_from_slice(&self.instance_at(at)?.checks);
        }
        Some(checks)
    }

    /// The checks of an instance itself; `None` if it is not there.
    #[must_use]
    pub fn instance_checks(&self, key: &InstanceKey) -> Option<Vec<Arc<Check>>> {
        self.instance_entry(key).map(|entry| entry.checks.clone())
    }

    /// On which nodes an instance of this id is, at most `most` of them, by name: for who does not know
    /// where it was registered.
    #[must_use]
    pub fn instance_nodes(&self, namespace: &str, id: &str, most: usize) -> Vec<Name> {
        let places = self.instance_places.of(namespace, id).take(most);
        self.names(places.map(|place| place.node))
    }

    /// On which nodes a check of this id is, at most `most` of them, by name.
    #[must_use]
    pub fn check_nodes(&self, namespace: &str, id: &str, most: usize) -> Vec<Name> {
        let places = self.check_places.of(namespace, id).take(most);
        self.names(places.map(|place| place.node))
    }

    fn names(&self, nodes: impl Iterator<Item = Slot>) -> Vec<Name> {
        let names = nodes.filter_map(|node| Some(self.nodes.at(node)?.record.name.clone()));
        let mut names: Vec<Name> = names.collect();
        names.sort();
        names
    }

    /// One session.
    #[must_use]
    pub fn session(&self, id: &str) -> Indexed<Option<Arc<Session>>> {
        let value = self.sessions.get(id).cloned();
        let index = value.as_ref().map_or(self.lists.sessions, |session| session.modified);
        Indexed { index: seen(index), value }
    }

    /// Every session, or those of a node, by id.
    #[must_use]
    pub fn sessions(&self, node: Option<&str>) -> Indexed<Vec<Arc<Session>>> {
        let value = match node {
            None => self.sessions.values().cloned().collect(),
            Some(node) => {
                let ids = self.nodes.get(node).map(|entry| &entry.sessions);
                let ids = ids.into_iter().flatten();
                ids.filter_map(|id| self.sessions.get(id).cloned()).collect()
            }
        };
        Indexed { index: seen(self.lists.sessions), value }
    }

    /// How many nodes, services, instances and checks there are.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        [self.nodes.len(), self.services.len(), self.instances, self.check_places.len()]
    }

    /// Every deadline there is, for a leader that begins.
    pub fn timers(&self) -> impl Iterator<Item = (TimerId, Timer)> {
        self.timers.iter().filter_map(|(id, owner)| match owner {
            Owner::Check(check) => {
                let service = self.service_of_check(check);
                Some((*id, check.timer(service)?))
            }
            Owner::Session(session) => Some((*id, Timer::Session { ttl_ms: session.ttl_ms })),
        })
    }

    /// What a check's deadline is known by; `None` if there is no such check. Whether its time is counted
    /// at all is for the deadlines to say. All a heartbeat needs: two searches.
    #[must_use]
    pub fn check_timer(&self, node: &str, namespace: &str, id: &str) -> Option<TimerId> {
        self.check_places.get(namespace, id, self.nodes.find(node)?).map(|about| about.timer)
    }

    /// The check that a deadline belongs to: who beats knows it by that.
    #[must_use]
    pub fn check_of(&self, timer: TimerId) -> Option<&Arc<Check>> {
        match self.timers.get(timer)? {
            Owner::Check(check) => Some(check),
            Owner::Session(_) => None,
        }
    }

    /// What to propose for something that is due; `None` if it is not there any more.
    #[must_use]
    pub fn expiry(&self, due: Due) -> Option<Expiry> {
        let (Due::Silent { id, .. } | Due::Removal { id } | Due::Session { id }) = due;
        match (self.timers.get(id)?, due) {
            (Owner::Check(check), Due::Silent { status, .. }) => {
                Some(Expiry::Check { check: check.key(), modified: check.modified, status })
            }
            (Owner::Check(check), Due::Removal { .. }) => {
                Some(Expiry::Instance { check: check.key(), modified: check.modified })
            }
            (Owner::Session(session), Due::Session { .. }) => {
                Some(Expiry::Session { id: session.id.clone(), modified: session.modified })
            }
            _ => None,
        }
    }
}

impl InstanceFilter {
    fn takes(&self, member: &Member) -> bool {
        let passes = |check: &Arc<Check>| check.status == Status::Passing;
        (!self.passing_only || member.checks.iter().all(passes))
            && self.tags.iter().all(|tag| member.instance.tags.contains(tag))
            && has_pairs(&member.node.meta, &self.node_meta)
    }

    /// The smaller, the nearer.
    fn distance(&self, member: &Member) -> u8 {
        if self.near_node.as_ref() == Some(&member.node.name) {
            return 0;
        }
        if self.near_zone.as_ref() == Some(&member.instance.zone) { 1 } else { 2 }
    }
}

/// The checks of an instance.
fn named(entry: &InstanceEntry) -> impl Iterator<Item = NamedCheck> + '_ {
    let instance = Some(entry.record.clone());
    let checks = entry.checks.iter();
    checks.map(move |check| NamedCheck { check: check.clone(), instance: instance.clone() })
}

fn has_pairs(pairs: &[(Name, Name)], wanted: &[(Name, Name)]) -> bool {
    let has = |pair: &(Name, Name)| {
        pairs.binary_search_by(|it| it.0.cmp(&pair.0)).is_ok_and(|at| pairs[at].1 == pair.1)
    };
    wanted.iter().all(has)
}

impl Member {
    /// The worst of its checks; passing without any.
    #[must_use]
    pub fn status(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Passing)
    }
}
