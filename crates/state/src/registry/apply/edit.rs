//! One command's changes: of the records, of the model, and of who has to be told. Everything a command
//! changes it changes through here, at one revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use types::{Batch, RegionId, Revision};

use crate::codec::primitives::Writer;
use crate::registry::answer::{Changes, Timer, TimerChange};
use crate::registry::model::Registry;
use crate::registry::name::{CheckKey, InstanceKey, Name, ServiceName, TimerId};
use crate::registry::record::{Check, Instance, Node, Session, Status};
use crate::registry::{codec, keys};

pub(crate) struct Edit<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) revision: Revision,
    region: RegionId,
    batch: &'a mut Batch,
    changes: Changes,
    /// How many timers this command handed out.
    timers: u64,
    changed: bool,
    ended: Vec<Arc<Session>>,
    /// Services, nodes and lists whose index no record that is left will tell.
    untold_services: BTreeSet<ServiceName>,
    untold_nodes: BTreeSet<Name>,
    untold_lists: bool,
}

/// Whether the newest of the records that an index is the index of tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    No,
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
        let mut checks = Vec::new();
        if let Some(before) = before.as_ref().filter(|it| it.service != instance.service) {
            // Its checks lie with the service, so they move along.
            checks = self.registry.instance_entry(&key).map_or(checks, |it| it.checks.clone());
            for check in &checks {
                let old = Some(before.service_name());
                self.batch.delete(keys::check(self.region, old.as_ref(), &check.key()));
                self.registry.drop_check(&check.key());
            }
            self.take_out(&key);
        }
        let shown = before.is_some_and(|it| it.tags != instance.tags)
            && self.registry.instance_entry(&key).is_some_and(|it| !it.checks.is_empty());
        let mut out = Writer::with_capacity(256);
        codec::put_instance(&mut out, &instance);
        self.batch.put(keys::instance(self.region, &name, &key), out.finish());
        if self.registry.insert_instance(instance) {
            self.touch_service_list(&name.namespace);
        }
        if shown {
            // Lists of checks show the tags of their instances.
            self.touch_checks(Told::No);
        }
        self.touch_node(&key.node, Told::Yes);
        self.touch_service(&name, Told::Yes);
        for check in checks {
            self.put_check(None, (*check).clone());
        }
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

    /// Sets a check that is another one now than `before`. Its node and its instance are known.
    pub(super) fn put_check(&mut self, mut before: Option<Arc<Check>>, mut check: Check) {
        check.modified = self.revision;
        let key = check.key();
        if before.as_ref().is_some_and(|before| before.instance != check.instance) {
            self.displace_check(&key);
            before = None;
        }
        let service = self.registry.service_of_check(&check);
        let mut out = Writer::with_capacity(192);
        codec::put_check(&mut out, &check);
        self.batch.put(keys::check(self.region, service.as_ref(), &key), out.finish());
        let (timer, status, beats) = (check.timer, check.status, check.lives_by_beats());
        let counted = before.and_then(|before| before.timer(service.as_ref()));
        let counts = check.timer(service.as_ref());
        self.registry.insert_check(check);
        match counts {
            Some(counts) if beats || counted.as_ref() != Some(&counts) => {
                self.restart_timer(timer, counts);
            }
            None if counted.is_some() => self.changes.timers.push(TimerChange::Stop(timer)),
            _ => {}
        }
        self.touch_checked(&key.node, service.as_ref(), Told::Yes);
        if status == Status::Critical {
            self.end_sessions_on(&key);
        }
    }

    /// Somebody said of a check that it is as it is known. That changes nothing, but it was heard.
    pub(super) fn hear_of(&mut self, check: &Check) {
        let service = self.registry.service_of_check(check);
        if check.lives_by_beats()
            && let Some(timer) = check.timer(service.as_ref())
        {
            self.restart_timer(check.timer, timer);
        }
    }

    pub(super) fn remove_check(&mut self, key: &CheckKey) {
        self.displace_check(key);
        self.end_sessions_on(key);
    }

    /// Takes a check away from where it lies; what hangs on it stays.
    fn displace_check(&mut self, key: &CheckKey) {
        let Some(check) = self.registry.check_at(key).cloned() else { return };
        let service = self.registry.service_of_check(&check);
        if check.counts_time() {
            self.changes.timers.push(TimerChange::Stop(check.timer));
        }
        self.registry.drop_check(key);
        self.batch.delete(keys::check(self.region, service.as_ref(), key));
        self.touch_checked(&key.node, service.as_ref(), Told::No);
    }

    pub(super) fn put_session(&mut self, session: Session) {
        let mut out = Writer::with_capacity(128);
        codec::put_session(&mut out, &session);
        self.batch.put(keys::session(self.region, &session.id), out.finish());
        if session.ttl_ms > 0 {
            let timer = Timer::Session { ttl_ms: session.ttl_ms };
            self.restart_timer(session.timer, timer);
        }
        self.changed = true;
        self.changes.sessions.insert(session.id.clone());
        self.registry.lists.sessions = self.revision;
        self.registry.insert_session(session);
    }

    pub(super) fn end_session(&mut self, id: &str) {
        let Some(session) = self.registry.drop_session(id) else { return };
        self.batch.delete(keys::session(self.region, id));
        if session.ttl_ms > 0 {
            self.changes.timers.push(TimerChange::Stop(session.timer));
        }
        self.changed = true;
        self.changes.sessions.insert(session.id.clone());
        self.registry.lists.sessions = self.revision;
        self.untold_lists = true;
        self.ended.push(session);
    }

    /// A check is critical, or gone: what hangs on it ends.
    fn end_sessions_on(&mut self, check: &CheckKey) {
        let Some(node) = self.registry.nodes.get(&check.node) else { return };
        let sessions = node.sessions.iter().filter_map(|id| self.registry.sessions.get(id));
        let hanging: Vec<Name> =
            sessions.filter(|it| it.hangs_on(check)).map(|it| it.id.clone()).collect();
        for id in hanging {
            self.end_session(&id);
        }
    }

    fn touch_checked(&mut self, node: &Name, service: Option<&ServiceName>, told: Told) {
        self.touch_checks(told);
        self.touch_node(node, told);
        match service {
            Some(service) => self.touch_service(service, told),
            None => self.touch_services_on(node, told),
        }
    }

    fn touch_checks(&mut self, told: Told) {
        self.changed = true;
        self.changes.checks = true;
        self.registry.lists.checks = self.revision;
        self.untold_lists |= told == Told::No;
    }

    fn touch_node(&mut self, name: &Name, told: Told) {
        self.changed = true;
        let Some(node) = self.registry.nodes.get_mut(name) else { return };
        node.index = self.revision;
        self.changes.nodes.insert(name.clone());
        if told == Told::No {
            self.untold_nodes.insert(name.clone());
        }
    }

    fn touch_service(&mut self, name: &ServiceName, told: Told) {
        self.changed = true;
        let Some(service) = self.registry.services.get_mut(name) else { return };
        service.index = self.revision;
        self.changes.services.insert(name.clone());
        if told == Told::No {
            self.untold_services.insert(name.clone());
        }
    }

    /// Answers about a service show the nodes its instances are on, with their checks.
    fn touch_services_on(&mut self, node: &Name, told: Told) {
        let Some(node) = self.registry.nodes.get(node) else { return };
        let services = node.instances.iter().map(|((namespace, _), name)| ServiceName {
            namespace: namespace.clone(),
            name: name.clone(),
        });
        let services: BTreeSet<ServiceName> = services.collect();
        for service in services {
            self.touch_service(&service, told);
        }
    }

    fn touch_service_list(&mut self, namespace: &Name) {
        let mut out = Writer::default();
        out.revision(self.revision);
        self.batch.put(keys::service_list(self.region, namespace), out.finish());
        self.registry.service_lists.insert(namespace.clone(), self.revision);
        self.changes.service_lists.insert(namespace.clone());
    }

    /// Writes the indexes that nothing else tells. Answers who has to be told, which sessions ended, and
    /// whether anything changed: then the region's revision is this command's.
    pub(crate) fn finish(self) -> (Changes, Vec<Arc<Session>>, bool) {
        let index = || {
            let mut out = Writer::default();
            out.revision(self.revision);
            out.finish()
        };
        for service in &self.untold_services {
            self.batch.put(keys::service_index(self.region, service), index());
        }
        for node in &self.untold_nodes {
            self.batch.put(keys::node_index(self.region, node), index());
        }
        if self.untold_lists {
            let mut out = Writer::with_capacity(32);
            let lists = self.registry.lists;
            let floors = [self.registry.gone_nodes.floor(), self.registry.gone_services.floor()];
            for index in [lists.nodes, lists.checks, lists.sessions].iter().chain(&floors) {
                out.revision(*index);
            }
            self.batch.put(keys::lists(self.region), out.finish());
        }
        (self.changes, self.ended, self.changed)
    }
}

impl Session {
    fn hangs_on(&self, check: &CheckKey) -> bool {
        let of_node = &*check.namespace == crate::registry::name::DEFAULT_NAMESPACE
            && self.node_checks.contains(&check.id);
        let mut services = self.service_checks.iter();
        of_node || services.any(|(namespace, id)| (namespace, id) == (&check.namespace, &check.id))
    }
}
