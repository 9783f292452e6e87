//! One command's changes: of the records, of the model, and of who has to be told. Everything a command
//! changes it changes through here, at one revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use types::{Batch, RegionId, Revision};

use super::told::Told;
use crate::codec::primitives::Writer;
use crate::registry::answer::{Changes, Timer, TimerChange};
use crate::registry::model::Registry;
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
    pub(super) fn put_node(&mut self, mut node: Node) {
        node.modified = self.revision;
        let mut out = Writer::with_capacity(128);
        codec::put_node(&mut out, &node);
        self.batch.put(keys::node(self.region, &node.name), out.finish());
        let name = node.name.clone();
        self.registry.insert_node(Arc::new(node));
        self.registry.lists.nodes = self.revision;
        self.changes.node_list = true;
        self.touch_node(&name, Told::Yes);
        self.touch_services_on(&name, Told::Yes);
    }

    /// Removes a node with everything on it.
    pub(super) fn remove_node(&mut self, name: &Name) {
        let Some(node) = self.registry.nodes.get(name) else { return };
        let sessions: Vec<Name> = node.sessions.iter().cloned().collect();
        let checks: Vec<CheckKey> = node.checks.iter().map(|check| check.key()).collect();
        let instances: Vec<InstanceKey> = node
            .instances
            .keys()
            .map(|(namespace, id)| InstanceKey {
                node: name.clone(),
                namespace: namespace.clone(),
                id: id.clone(),
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

    /// Sets an instance that is another one now than `before`. Its node is known.
    pub(super) fn put_instance(&mut self, before: Option<Arc<Instance>>, mut instance: Instance) {
        instance.modified = self.revision;
        let (key, name) = (instance.key(), instance.service_name());
        let moved = before.as_ref().is_some_and(|it| it.service != instance.service);
        let checks = if moved { self.move_out(&key) } else { Vec::new() };
        let shown = before.is_some_and(|it| it.tags != instance.tags)
            && self.registry.instance_entry(&key).is_some_and(|it| !it.checks.is_empty());
        let mut out = Writer::with_capacity(256);
        codec::put_instance(&mut out, &instance);
        self.batch.put(keys::instance(self.region, &name, &key), out.finish());
        let begins = !self.registry.services.contains_key(&name);
        if self.registry.insert_instance(instance) {
            self.touch_service_list(&name.namespace);
        }
        self.touch_node(&key.node, Told::Yes);
        // Of one that moved in the record does not tell when; with other tags, lists of checks show them.
        self.touch_service(&name, if moved || shown { Told::No } else { Told::Yes });
        if begins || shown {
            self.touch_service_checks(&name);
        }
        if shown {
            self.touch_checks(Told::No);
            self.touch_node_checks(&key.node, Told::No);
        }
        for check in checks {
            self.put_check(None, (*check).clone());
        }
    }

    /// Takes an instance out of its service. Answers its checks, which lie with the service and have to
    /// move along.
    fn move_out(&mut self, key: &InstanceKey) -> Vec<Arc<Check>> {
        let Some(entry) = self.registry.instance_entry(key) else { return Vec::new() };
        let (service, checks) = (entry.record.service_name(), entry.checks.clone());
        for check in &checks {
            self.batch.delete(keys::check(self.region, Some(&service), &check.key()));
            self.registry.drop_check(&check.key());
        }
        self.take_out(key);
        if !checks.is_empty() {
            self.touch_service_checks(&service);
        }
        checks
    }

    pub(super) fn remove_instance(&mut self, key: &InstanceKey) {
        let Some(entry) = self.registry.instance_entry(key) else { return };
        let checks: Vec<CheckKey> = entry.checks.iter().map(|check| check.key()).collect();
        for check in checks {
            self.remove_check(&check);
        }
        self.take_out(key);
    }

    /// Removes an instance that has no checks any more.
    fn take_out(&mut self, key: &InstanceKey) {
        let Some((instance, other)) = self.registry.drop_instance(key) else { return };
        let name = instance.service_name();
        self.batch.delete(keys::instance(self.region, &name, key));
        if other {
            self.touch_service_list(&name.namespace);
        }
        self.touch_node(&key.node, Told::No);
        if self.registry.services.contains_key(&name) {
            return self.touch_service(&name, Told::No);
        }
        self.changes.services.insert(name.clone());
        self.untold_services.insert(name.clone());
        if let Some(oldest) = self.registry.gone_services.insert(name, self.revision) {
            self.untold_services.remove(&oldest);
            self.batch.delete(keys::service_index(self.region, &oldest));
            self.untold_lists = true;
        }
    }
}
