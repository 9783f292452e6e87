//! Operations on what is registered, tried one after the other on what the others left behind. Nothing is
//! changed by that: [`Trial`] keeps beside the registry what would be another way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{Revision, limits};

use super::Refused;
use crate::registry::model::Registry;
use crate::registry::name::{CheckKey, InstanceKey, Name, TimerId};
use crate::registry::operation::{CatalogOp, TxnResult};
use crate::registry::query::NamedCheck;
use crate::registry::record::{Check, Instance, Node, Session, Status};

/// What is another way: what it is now, or that it is not there.
pub(in crate::registry) type Touched<K, V> = BTreeMap<K, Option<Arc<V>>>;

/// What was tried so far.
pub(in crate::registry) struct Trial<'a> {
    registry: &'a Registry,
    /// The revision it all has once it is carried out.
    revision: Revision,
    pub(in crate::registry) tried: Tried,
    /// Sessions that ended with the last operation.
    pub(super) just_ended: Vec<Arc<Session>>,
    timers: u64,
    /// How many of each would be new ones.
    fresh: Fresh,
}

/// What is to be carried out of a trial.
#[derive(Default)]
pub(in crate::registry) struct Tried {
    pub(in crate::registry) nodes: Touched<Name, Node>,
    pub(in crate::registry) instances: Touched<InstanceKey, Instance>,
    pub(in crate::registry) checks: Touched<CheckKey, Check>,
    pub(in crate::registry) ended: BTreeSet<Name>,
}

#[derive(Default)]
struct Fresh {
    nodes: usize,
    instances: usize,
    checks: usize,
    namespaces: BTreeSet<Name>,
}

type Ran = Result<Option<TxnResult>, Refused>;

impl<'a> Trial<'a> {
    pub(super) fn new(registry: &'a Registry, revision: Revision) -> Self {
        let (tried, fresh, just_ended) = Default::default();
        Self { registry, revision, tried, just_ended, timers: 0, fresh }
    }

    /// Whether a session is there, and none of the operations ended it.
    pub(super) fn has_session(&self, id: &Name) -> bool {
        !self.tried.ended.contains(id) && self.registry.session(id).value.is_some()
    }

    /// `walk`: how many things may still be looked at to delete what is on a node.
    pub(super) fn run(&mut self, op: &CatalogOp, walk: &mut usize) -> Ran {
        match op {
            CatalogOp::GetNode { name, id } => {
                let found = self.node(name).filter(|node| id.is_empty() || node.id == *id);
                let node = found.ok_or_else(|| format!("node {name:?} doesn't exist"))?;
                Ok(Some(TxnResult::Node(node)))
            }
            CatalogOp::SetNode { node, index } => self.set_node(node, *index),
            CatalogOp::DeleteNode { name, index } => {
                let known = self.node(name).map(|node| node.modified);
                let what = || format!("failed to delete node {name:?}, index is stale");
                if may_delete(known, *index, what)? {
                    self.delete_node(name, walk)?;
                }
                Ok(None)
            }
            CatalogOp::GetInstance(key) => {
                let InstanceKey { node, id, .. } = key;
                let found = self.instance(key);
                let missing = || format!("service {id:?} on node {node:?} doesn't exist");
                Ok(Some(TxnResult::Instance(found.ok_or_else(missing)?)))
            }
            CatalogOp::SetInstance { instance, index } => self.set_instance(instance, *index),
            CatalogOp::DeleteInstance { key, index } => {
                let InstanceKey { node, id, .. } = key;
                let known = self.instance(key).map(|it| it.modified);
                let what =
                    || format!("failed to delete service {id:?} on node {node:?}, index is stale");
                if may_delete(known, *index, what)? {
                    self.delete_instance(key);
                }
                Ok(None)
            }
            CatalogOp::GetCheck(key) => {
                let CheckKey { node, id, .. } = key;
                let found = self.check(key);
                let missing = || format!("check {id:?} on node {node:?} doesn't exist");
                Ok(Some(self.named(found.ok_or_else(missing)?)))
            }
            CatalogOp::SetCheck { check, index } => self.set_check(check, *index),
            CatalogOp::DeleteCheck { key, index } => {
                let CheckKey { node, id, .. } = key;
                let known = self.check(key).map(|it| it.modified);
                let what =
                    || format!("failed to delete check {id:?} on node {node:?}, index is stale");
                if may_delete(known, *index, what)? {
                    self.delete_check(key);
                }
                Ok(None)
            }
        }
    }

    fn node(&self, name: &Name) -> Option<Arc<Node>> {
        match self.tried.nodes.get(name) {
            Some(tried) => tried.clone(),
            None => self.registry.node_record(name),
        }
    }

    fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        match self.tried.instances.get(key) {
            Some(tried) => tried.clone(),
            None => self.registry.instance(key),
        }
    }

    fn check(&self, key: &CheckKey) -> Option<Arc<Check>> {
        match self.tried.checks.get(key) {
            Some(tried) => tried.clone(),
            None => self.registry.check_at(key).cloned(),
        }
    }

    fn named(&self, check: Arc<Check>) -> TxnResult {
        let instance = if check.is_of_node() { None } else { self.instance(&check.about()) };
        TxnResult::Check(NamedCheck { check, instance })
    }

    fn set_node(&mut self, node: &Node, index: Option<u64>) -> Ran {
        let (known, name) = (self.node(&node.name), &node.name);
        let what = || format!("failed to set node {name:?}, index is stale");
        may_set(known.as_ref().map(|it| it.modified), index, what)?;
        let now = self.revision;
        let mut set = match &known {
            Some(known) => {
                Node { created: known.created, modified: known.modified, ..node.clone() }
            }
            None => Node { created: now, modified: now, ..node.clone() },
        };
        if known.is_none() {
            self.fresh.nodes += 1;
            let count = self.registry.counts()[0] + self.fresh.nodes;
            few(count, limits::REGISTRY_NODES, "nodes")?;
        }
        if known.as_deref() == Some(&set) {
            return Ok(known.map(TxnResult::Node));
        }
        set.modified = now;
        let set = Arc::new(set);
        self.tried.nodes.insert(set.name.clone(), Some(set.clone()));
        Ok(Some(TxnResult::Node(set)))
    }

    fn set_instance(&mut self, instance: &Instance, index: Option<u64>) -> Ran {
        let key = instance.key();
        let (InstanceKey { node, id, .. }, known) = (&key, self.instance(&key));
        if self.node(node).is_none() {
            return Err("Missing node registration".to_owned());
        }
        let what = || format!("failed to set service {id:?} on node {node:?}, index is stale");
        may_set(known.as_ref().map(|it| it.modified), index, what)?;
        let now = self.revision;
        let (created, modified) =
            known.as_ref().map_or((now, now), |known| (known.created, known.modified));
        let mut set = Instance { created, modified, ..instance.clone() };
        if known.is_none() {
            self.fresh.instances += 1;
            let count = self.registry.counts()[2] + self.fresh.instances;
            few(count, limits::REGISTRY_INSTANCES, "instances")?;
            if !self.registry.service_lists.contains_key(&set.namespace) {
                self.fresh.namespaces.insert(set.namespace.clone());
                let count = self.registry.service_lists.len() + self.fresh.namespaces.len();
                few(count, limits::REGISTRY_NAMESPACES, "namespaces")?;
            }
        }
        if known.as_deref() == Some(&set) {
            return Ok(known.map(TxnResult::Instance));
        }
        if known.is_some_and(|known| known.service != set.service) {
            // Its checks lie with the service.
            for check in self.checks_about(&key) {
                let moved = Check { modified: now, ..(*check).clone() };
                self.tried.checks.insert(check.key(), Some(Arc::new(moved)));
            }
        }
        set.modified = now;
        let set = Arc::new(set);
        self.tried.instances.insert(key, Some(set.clone()));
        Ok(Some(TxnResult::Instance(set)))
    }

    fn set_check(&mut self, check: &Check, index: Option<u64>) -> Ran {
        let key = check.key();
        let (CheckKey { node, id, .. }, known) = (&key, self.check(&key));
        if self.node(node).is_none() {
            return Err("Missing node registration".to_owned());
        }
        if !check.is_of_node() && self.instance(&check.about()).is_none() {
            return Err("Missing service registration".to_owned());
        }
        let what = || format!("failed to set check {id:?} on node {node:?}, index is stale");
        may_set(known.as_ref().map(|it| it.modified), index, what)?;
        let now = self.revision;
        let mut set = match &known {
            Some(known) => {
                let (created, modified, timer) = (known.created, known.modified, known.timer);
                Check { created, modified, timer, ..check.clone() }
            }
            None => {
                self.fresh.checks += 1;
                self.may_add_check(check)?;
                let timer = TimerId::made_at(now, self.timers);
                self.timers += 1;
                Check { created: now, modified: now, timer, ..check.clone() }
            }
        };
        if known.as_deref() == Some(&set) {
            return Ok(known.map(|known| self.named(known)));
        }
        set.modified = now;
        if set.status == Status::Critical {
            self.end_hanging(&key);
        }
        let set = Arc::new(set);
        self.tried.checks.insert(key, Some(set.clone()));
        Ok(Some(self.named(set)))
    }

    /// As if all new ones of the transaction came to the same place.
    fn may_add_check(&self, check: &Check) -> Result<(), Refused> {
        let fresh = self.fresh.checks;
        few(self.registry.counts()[3] + fresh, limits::REGISTRY_REGION_CHECKS, "checks")?;
        let Some(node) = self.registry.nodes.find(&check.node) else { return Ok(()) };
        let on_node = self.registry.nodes.at(node).map_or(0, |entry| entry.check_count);
        few(on_node + fresh, limits::REGISTRY_NODE_CHECKS, "checks on one node")?;
        let beside = self.registry.checks_beside(node, check);
        few(beside + fresh, limits::REGISTRY_CHECKS_BESIDE, "checks about one instance")
    }

    fn delete_node(&mut self, name: &Name, walk: &mut usize) -> Result<(), Refused> {
        let on_node = self.registry.nodes.get(name);
        let known = on_node.map_or(0, |entry| entry.check_count + entry.instances.len());
        *walk = walk.checked_sub(known).ok_or_else(|| {
            let most = limits::REGISTRY_TXN_KEYS;
            format!("the transaction deletes nodes with more than {most} instances and checks")
        })?;
        let mut instances: BTreeSet<InstanceKey> = BTreeSet::new();
        let mut checks: BTreeSet<CheckKey> = BTreeSet::new();
        if let Some(entry) = on_node {
            checks.extend(entry.checks.iter().map(|check| check.key()));
            for it in entry.instances.iter() {
                let (namespace, id) = (it.namespace.clone(), it.id.clone());
                instances.insert(InstanceKey { node: name.clone(), namespace, id });
            }
        }
        let of_tried = self.tried.instances.range(InstanceKey::first_on(name)..);
        instances.extend(of_tried.map(|(key, _)| key.clone()).take_while(|it| it.node == *name));
        let of_tried = self.tried.checks.range(CheckKey::first_on(name)..);
        checks.extend(of_tried.map(|(key, _)| key.clone()).take_while(|it| it.node == *name));
        for key in instances.iter().filter(|key| self.instance(key).is_some()) {
            checks.extend(self.checks_about(key).iter().map(|check| check.key()));
        }
        let gone: Vec<_> = checks.into_iter().filter(|key| self.check(key).is_some()).collect();
        gone.iter().for_each(|key| self.delete_check(key));
        for key in instances {
            if self.instance(&key).is_some() {
                self.tried.instances.insert(key, None);
            }
        }
        let sessions = on_node.into_iter().flat_map(|entry| &entry.sessions);
        let sessions: Vec<Name> = sessions.cloned().collect();
        sessions.iter().for_each(|id| self.end_session(id));
        self.tried.nodes.insert(name.clone(), None);
        Ok(())
    }

    fn delete_instance(&mut self, key: &InstanceKey) {
        for check in self.checks_about(key) {
            self.delete_check(&check.key());
        }
        self.tried.instances.insert(key.clone(), None);
    }

    fn delete_check(&mut self, key: &CheckKey) {
        self.end_hanging(key);
        self.tried.checks.insert(key.clone(), None);
    }

    /// The checks about an instance, as they are by now.
    fn checks_about(&self, key: &InstanceKey) -> Vec<Arc<Check>> {
        let entry = self.registry.instance_entry(key);
        let known = entry.into_iter().flat_map(|entry| &entry.checks);
        let known = known.filter(|check| !self.tried.checks.contains_key(&check.key()));
        let tried = self.tried.checks.range(CheckKey::first_on(&key.node)..);
        let tried = tried.take_while(|(check, _)| check.node == key.node);
        let tried = tried.filter_map(|(_, check)| check.as_ref());
        let tried = tried.filter(|check| check.is_about(&key.namespace, &key.id));
        known.chain(tried).cloned().collect()
    }

    fn end_hanging(&mut self, check: &CheckKey) {
        let hanging: Vec<Name> = self.registry.hanging_on(check).cloned().collect();
        hanging.iter().for_each(|id| self.end_session(id));
    }

    fn end_session(&mut self, id: &Name) {
        if let Some(session) = self.registry.session(id).value
            && self.tried.ended.insert(id.clone())
        {
            self.just_ended.push(session);
        }
    }
}

fn number(modified: Revision) -> u64 {
    modified.get().unsigned_abs()
}

/// 0 is the index of what is not there.
fn may_set(
    known: Option<Revision>,
    index: Option<u64>,
    what: impl Fn() -> Refused,
) -> Result<(), Refused> {
    match index {
        Some(index) if known.map_or(0, number) != index => Err(what()),
        _ => Ok(()),
    }
}

/// Answers whether there is anything to delete; what is deleted at an index has to be there.
fn may_delete(
    known: Option<Revision>,
    index: Option<u64>,
    what: impl Fn() -> Refused,
) -> Result<bool, Refused> {
    match index {
        Some(index) if known.map(number) != Some(index) => Err(what()),
        _ => Ok(known.is_some()),
    }
}

fn few(count: usize, most: usize, what: &str) -> Result<(), Refused> {
    if count > most {
        return Err(format!("the registry holds at most {most} {what}"));
    }
    Ok(())
}
