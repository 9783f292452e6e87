//! One command's changes: of the records, of the model, and of who has to be told. Everything a command
//! changes it changes through here, at one revision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{Batch, RegionId, Revision};

use super::told::Told;
use crate::codec::primitives::Writer;
use crate::registry::answer::{Changes, Timer, TimerChange};
use crate::registry::model::{At, Registry, Slot, Taken};
use crate::registry::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use crate::registry::record::{Check, Instance, Node, Session};
use crate::registry::{codec, keys};

pub(crate) struct Edit<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) revision: Revision,
    pub(super) region: RegionId,
    pub(super) batch: &'a mut Batch,
    pub(super) changes: Changes,
    /// How many timers this command handed out.
    timers: u64,
    pub(super) changed: bool,
    pub(super) ended: Vec<Arc<Session>>,
    /// Services, nodes and lists whose index no record that is left will tell.
    pub(super) untold_services: BTreeSet<ServiceName>,
    pub(super) untold_nodes: BTreeSet<Name>,
    pub(super) untold_lists: bool,
    /// Services that lost their last instance, and the index that their checks had.
    ended_services: BTreeMap<ServiceName, Revision>,
    /// Who carries out many changes at once looks itself whether the lists of services are others.
    pub(super) leaves_lists: bool,
}

impl<'a> Edit<'a> {
    pub(crate) fn new(
        registry: &'a mut Registry,
        region: RegionId,
        revision: Revision,
        batch: &'a mut Batch,
    ) -> Self {
        Self {
            registry,
            revision,
            region,
            batch,
            changes: Changes::default(),
            timers: 0,
            changed: false,
            ended: Vec::new(),
            untold_services: BTreeSet::new(),
            untold_nodes: BTreeSet::new(),
            untold_lists: false,
            ended_services: BTreeMap::new(),
            leaves_lists: false,
        }
    }

    pub(super) fn new_timer(&mut self) -> TimerId {
        self.timers += 1;
        TimerId::made_at(self.revision, self.timers - 1)
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn restart_timer(&mut self, id: TimerId, timer: Timer) {
        self.changes.timers.push(TimerChange::Start(id, timer));
    }

    /// Sets a node that is another one now.
    pub(super) fn put_node(&mut self, mut node: Node) -> Slot {
        node.modified = self.revision;
        let mut out = Writer::with_capacity(128);
        codec::put_node(&mut out, &node);
        self.batch.put(keys::node(self.region, &node.name), out.finish());
        // Here: what a new one has as its indexes looks as if it were told already.
        self.changes.nodes.insert(node.name.clone());
        let known = self.registry.nodes.get(&node.name);
        let reborn = known.is_some_and(|it| it.record.created != node.created);
        let slot = self.registry.insert_node(Arc::new(node));
        self.registry.lists.nodes = self.revision;
        self.changes.node_list = true;
        // Of one that takes the place of another, when its checks changed is not when it came about.
        self.touch_node(slot, if reborn { Told::No } else { Told::Yes });
        self.touch_services_on(slot, Told::Yes);
        slot
    }

    /// Removes a node with everything on it.
    pub(super) fn remove_node(&mut self, name: &Name) {
        let Some(node) = self.registry.nodes.get(name) else { return };
        let sessions: Vec<Name> = node.sessions.iter().cloned().collect();
        let checks: Vec<CheckKey> = node.checks.iter().map(|check| check.key()).collect();
        let instances: Vec<InstanceKey> = node
            .instances
            .sorted()
            .into_iter()
            .map(|it| InstanceKey {
                node: name.clone(),
                namespace: it.namespace.clone(),
                id: it.id.clone(),
            })
            .collect();
        for id in sessions {
            self.end_session(&id);
        }
        for key in instances {
            self.remove_instance(&key);
        }
        for key in checks {
            self.remove_check(&key);
        }
        self.registry.nodes.remove(name);
        self.batch.delete(keys::node(self.region, name));
        self.changed = true;
        self.changes.node_list = true;
        self.changes.nodes.insert(name.clone());
        self.registry.lists.nodes = self.revision;
        self.untold_lists = true;
        if let Some(oldest) = self.registry.gone_nodes.insert(name.clone(), self.revision) {
            self.batch.delete(keys::node_index(self.region, &oldest));
        }
        self.untold_nodes.insert(name.clone());
    }

    /// Sets an instance that is another one now than `before`, on a known node. Answers where it is.
    pub(super) fn put_instance(
        &mut self,
        node: Slot,
        before: Option<Arc<Instance>>,
        mut instance: Instance,
    ) -> Option<At> {
        instance.modified = self.revision;
        let moved = before.as_ref().is_some_and(|it| it.service != instance.service);
        let reborn = before.as_ref().is_some_and(|it| it.created != instance.created);
        let checks = if moved { self.move_out(node, &instance.key()) } else { Vec::new() };
        let shown = before.is_some_and(|it| it.tags != instance.tags)
            && self
                .registry
                .find_instance(node, &instance.namespace, &instance.id)
                .and_then(|at| self.registry.instance_at(at))
                .is_some_and(|it| !it.checks.is_empty());
        let mut out = Writer::with_capacity(256);
        codec::put_instance(&mut out, &instance);
        self.batch.put(keys::instance(self.region, &instance), out.finish());
        let Taken { service, at, begins, other_tags } =
            self.registry.insert_instance(node, instance)?;
        if begins || other_tags {
            self.touch_service_list(service);
        }
        self.touch_node(node, Told::Yes);
        // Of one that moved in the record does not tell when; of one that takes the place of another, not
        // since when the service is there; with other tags, lists of checks show them.
        let untold = moved || reborn || shown;
        self.touch_service(service, if untold { Told::No } else { Told::Yes });
        if begins {
            self.begin_service(service);
        }
        if shown {
            self.touch_service_checks(service);
        }
        if shown {
            self.touch_checks(Told::No);
            self.touch_node_checks(node, Told::No);
        }
        for check in checks {
            let place = self.registry.check_place(node, Some(at), &check);
            self.put_check(place, None, (*check).clone());
        }
        Some(at)
    }

    /// Takes an instance out of its service. Answers its checks, which lie with the service and have to
    /// move along.
    fn move_out(&mut self, node: Slot, key: &InstanceKey) -> Vec<Arc<Check>> {
        let at = self.registry.find_instance(node, &key.namespace, &key.id);
        let Some(entry) = at.and_then(|at| self.registry.instance_at(at)) else {
            return Vec::new();
        };
        let (service, checks) = (entry.record.service_name(), entry.checks.clone());
        for check in &checks {
            let record = keys::check(self.region, Some(&service), &check.node, check.place());
            self.batch.delete(record);
            self.registry.drop_check(node, &check.key());
        }
        if let Some(at) = at.filter(|_| !checks.is_empty()) {
            self.touch_service_checks(at.service);
        }
        self.take_out(node, key);
        checks
    }

    pub(super) fn remove_instance(&mut self, key: &InstanceKey) {
        let Some(node) = self.registry.nodes.find(&key.node) else { return };
        let at = self.registry.find_instance(node, &key.namespace, &key.id);
        let Some(entry) = at.and_then(|at| self.registry.instance_at(at)) else { return };
        let checks: Vec<CheckKey> = entry.checks.iter().map(|check| check.key()).collect();
        for check in checks {
            self.remove_check(&check);
        }
        self.take_out(node, key);
    }

    /// A service is there that was not, or not at one moment of this command.
    fn begin_service(&mut self, service: Slot) {
        let Some(entry) = self.registry.services.at_mut(service) else { return };
        let before = self.ended_services.remove(&entry.name);
        entry.checks_index = before.unwrap_or(self.revision);
    }

    /// Removes an instance that has no checks any more.
    fn take_out(&mut self, node: Slot, key: &InstanceKey) {
        let at = self.registry.find_instance(node, &key.namespace, &key.id);
        let service = at.and_then(|at| self.registry.services.at(at.service));
        let of_checks = service.map_or(self.revision, |service| service.checks_index);
        let Some((instance, left, other)) = self.registry.drop_instance(node, key) else { return };
        self.batch.delete(keys::instance(self.region, &instance));
        if other {
            self.touch_services_of(&instance.namespace);
        }
        self.touch_node(node, Told::No);
        if let Some(service) = left {
            return self.touch_service(service, Told::No);
        }
        let name = instance.service_name();
        self.ended_services.insert(name.clone(), of_checks);
        self.changes.services.insert(name.clone());
        self.untold_services.insert(name.clone());
        if let Some(oldest) = self.registry.gone_services.insert(name, self.revision) {
            self.untold_services.remove(&oldest);
            self.batch.delete(keys::service_index(self.region, &oldest));
            self.untold_lists = true;
        }
    }
}
