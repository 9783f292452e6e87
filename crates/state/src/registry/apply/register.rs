//! Registering, and what checks say.

use std::sync::Arc;

use types::{Code, Fault, limits};

use super::Edit;
use crate::registry::command::{CheckRegistration, Registration};
use crate::registry::model::{At, Slot};
use crate::registry::name::{CheckKey, Name, TimerId};
use crate::registry::record::{Check, Instance, Node, Status};

impl Edit<'_> {
    /// Answers what the deadline of the first check is known by.
    pub(super) fn register(
        &mut self,
        registration: Registration,
    ) -> Result<Option<TimerId>, Fault> {
        let known = self.registry.nodes.find(&registration.node.name);
        self.may_register(&registration, known)?;
        let Registration { node, skip_node_update, instance, checks, replace_checks } =
            registration;
        let node = match known {
            Some(known) if skip_node_update => known,
            _ => self.register_node(known, node),
        };
        // Where the instance is that came with it: most checks are about that.
        let mut here: Option<(Name, Name, At)> = None;
        if let Some(instance) = instance {
            if replace_checks {
                // Before it moves to another service, which never has them.
                self.drop_other_checks(node, &instance, &checks);
            }
            let (namespace, id) = (instance.namespace.clone(), instance.id.clone());
            here = self.register_instance(node, instance).map(|at| (namespace, id, at));
        }
        let mut first = None;
        for registered in checks {
            let check = &registered.check;
            let at = match &here {
                Some((namespace, id, at)) if check.is_about(namespace, id) => Some(Some(*at)),
                _ => self.registry.find_about(node, &check.namespace, &check.instance),
            };
            // There is one: that was looked at first.
            if let Some(at) = at {
                let timer = self.register_check(node, at, registered);
                first = first.or(timer);
            }
        }
        Ok(first)
    }

    /// Everything that can be wrong, before anything is changed.
    fn may_register(&self, registration: &Registration, known: Option<Slot>) -> Result<(), Fault> {
        let Registration { instance, checks, .. } = registration;
        if known.is_none() && self.registry.nodes.len() >= limits::REGISTRY_NODES {
            return full("nodes", limits::REGISTRY_NODES);
        }
        let node = known.and_then(|known| self.registry.nodes.at(known));
        let is_there = |namespace: &str, id: &str| {
            node.is_some_and(|node| node.instances.get(namespace, id).is_some())
        };
        if let Some(instance) = instance {
            if self.registry.instances >= limits::REGISTRY_INSTANCES
                && !is_there(&instance.namespace, &instance.id)
            {
                return full("instances", limits::REGISTRY_INSTANCES);
            }
            let lists = &self.registry.service_lists;
            if lists.len() >= limits::REGISTRY_NAMESPACES
                && !lists.contains_key(&instance.namespace)
            {
                return full("namespaces", limits::REGISTRY_NAMESPACES);
            }
        }
        for CheckRegistration { check, .. } in checks {
            let (namespace, id) = (&check.namespace, &check.instance);
            let comes = |it: &Instance| check.is_about(&it.namespace, &it.id);
            if !check.is_of_node()
                && !instance.as_ref().is_some_and(comes)
                && !is_there(namespace, id)
            {
                let detail = format!("unknown service ID {id:?} for check {:?}", check.id);
                return Err(Fault::new(Code::InstanceUnknown, detail));
            }
        }
        self.may_add_checks(known, checks)
    }

    fn may_add_checks(
        &self,
        node: Option<Slot>,
        checks: &[CheckRegistration],
    ) -> Result<(), Fault> {
        let checks = checks.iter().map(|it| &it.check);
        // Counted first as if all were new: what is far from any bound needs no search.
        let entry = node.and_then(|node| self.registry.nodes.at(node));
        let on_node = entry.map_or(0, |entry| entry.check_count);
        let in_region = self.registry.check_places.len();
        let all = checks.len();
        if in_region + all <= limits::REGISTRY_REGION_CHECKS
            && on_node + all <= limits::REGISTRY_CHECKS_BESIDE
        {
            return Ok(());
        }
        let is_new = |it: &&Check| node.is_none_or(|node| !self.registry.has_check(node, it));
        let fresh: Vec<&Check> = checks.filter(is_new).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let beside = |it: &&Check| node.map_or(0, |node| self.registry.checks_beside(node, it));
        let beside = fresh.iter().map(beside).max();
        for (known, most, what) in [
            (in_region, limits::REGISTRY_REGION_CHECKS, "checks"),
            (on_node, limits::REGISTRY_NODE_CHECKS, "checks on one node"),
            (beside.unwrap_or(0), limits::REGISTRY_CHECKS_BESIDE, "checks about one instance"),
        ] {
            if known + fresh.len() > most {
                return full(what, most);
            }
        }
        Ok(())
    }

    pub(super) fn register_node(&mut self, known: Option<Slot>, node: Node) -> Slot {
        let entry = known.and_then(|slot| Some((slot, self.registry.nodes.at(slot)?)));
        let Some((slot, entry)) = entry else {
            return self.put_node(Node { created: self.revision, ..node });
        };
        let (created, modified) = (entry.record.created, entry.record.modified);
        let same = Node { created, modified, ..node };
        if same == *entry.record { slot } else { self.put_node(same) }
    }

    fn register_instance(&mut self, node: Slot, mut instance: Instance) -> Option<At> {
        instance.node = self.registry.nodes.at(node)?.record.name.clone();
        let at = self.registry.find_instance(node, &instance.namespace, &instance.id);
        let known = at.and_then(|at| Some((at, self.registry.instance_at(at)?.record.clone())));
        let Some((at, known)) = known else {
            return self.put_instance(node, None, Instance { created: self.revision, ..instance });
        };
        let same = Instance { created: known.created, modified: known.modified, ..instance };
        if same == *known {
            return Some(at);
        }
        self.put_instance(node, Some(known), same)
    }

    /// Answers what its deadline is known by.
    fn register_check(
        &mut self,
        node: Slot,
        at: Option<At>,
        registered: CheckRegistration,
    ) -> Option<TimerId> {
        let CheckRegistration { mut check, keep_status } = registered;
        if let Some(entry) = self.registry.nodes.at(node) {
            check.node = entry.record.name.clone();
        }
        let (namespace, id) = (&check.namespace, &check.id);
        let known = match self.registry.check_beside(node, at, namespace, id) {
            Some(known) => Some(known.clone()),
            None => {
                let place = self.registry.check_place(node, at, &check);
                if !self.registry.is_check(place) {
                    let (created, timer) = (self.revision, self.new_timer());
                    self.put_check(place, None, Check { created, timer, ..check });
                    return Some(timer);
                }
                // It was about something else.
                self.registry.check_on(node, namespace, id).cloned()
            }
        };
        let known = known?;
        // What the home handed out for a check of the node means nothing to who beats for an instance.
        let timer = match known.timer.is_of_home() && !check.is_of_node() {
            true => self.new_timer(),
            false => known.timer,
        };
        let mut same = Check { created: known.created, modified: known.modified, timer, ..check };
        if keep_status {
            (same.status, same.output) = (known.status, known.output.clone());
        }
        if same == *known {
            self.hear_of(at, &known);
        } else {
            let place = self.registry.check_place(node, at, &same);
            self.put_check(place, Some(known), same);
        }
        Some(timer)
    }

    fn drop_other_checks(&mut self, node: Slot, instance: &Instance, kept: &[CheckRegistration]) {
        let at = self.registry.find_instance(node, &instance.namespace, &instance.id);
        let Some(entry) = at.and_then(|at| self.registry.instance_at(at)) else { return };
        let stays = |check: &Check| kept.iter().any(|it| it.check.place() == check.place());
        let others: Vec<CheckKey> =
            entry.checks.iter().filter(|it| !stays(it)).map(|it| it.key()).collect();
        for key in others {
            self.remove_check(&key);
        }
    }

    /// What is said of a check that is known: how it stands, and in which words.
    pub(super) fn set_status(&mut self, known: Arc<Check>, status: Status, output: Name) {
        let found = self.registry.nodes.find(&known.node).and_then(|node| {
            Some((node, self.registry.find_about(node, &known.namespace, &known.instance)?))
        });
        let Some((node, at)) = found else { return };
        if (known.status, &known.output) == (status, &output) {
            return self.hear_of(at, &known);
        }
        let place = self.registry.check_place(node, at, &known);
        let check = Check { status, output, ..(*known).clone() };
        self.put_check(place, Some(known), check);
    }

    pub(super) fn update_check(
        &mut self,
        key: &CheckKey,
        status: Status,
        output: Option<Name>,
    ) -> Result<(), Fault> {
        let Some(known) = self.registry.check_at(key).cloned() else {
            let detail = format!("Unknown check ID {:?}", key.id);
            return Err(Fault::new(Code::CheckUnknown, detail));
        };
        let output = output.unwrap_or_else(|| known.output.clone());
        self.set_status(known, status, output);
        Ok(())
    }
}

fn full(what: &str, most: usize) -> Result<(), Fault> {
    let detail = format!("the registry holds at most {most} {what}");
    Err(Fault::new(Code::LimitReached, detail))
}
