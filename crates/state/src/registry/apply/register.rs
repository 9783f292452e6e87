//! Registering, and what checks say.

use types::{Code, Fault, limits};

use super::Edit;
use crate::registry::command::{CheckRegistration, Registration};
use crate::registry::name::{CheckKey, InstanceKey, Name};
use crate::registry::record::{Check, Instance, Node, Status};

impl Edit<'_> {
    pub(super) fn register(&mut self, registration: &Registration) -> Result<(), Fault> {
        self.may_register(registration)?;
        self.register_node(registration);
        if let Some(instance) = &registration.instance {
            if registration.replace_checks {
                // Before it moves to another service, which never has them.
                self.drop_other_checks(&registration.node.name, instance, &registration.checks);
            }
            self.register_instance(&registration.node.name, instance);
        }
        for registered in &registration.checks {
            self.register_check(&registration.node.name, registered);
        }
        Ok(())
    }

    /// Everything that can be wrong, before anything is changed.
    fn may_register(&self, registration: &Registration) -> Result<(), Fault> {
        let Registration { node, instance, checks, .. } = registration;
        let known = self.registry.nodes.get(&node.name);
        if known.is_none() && self.registry.nodes.len() >= limits::REGISTRY_NODES {
            return full("nodes", limits::REGISTRY_NODES);
        }
        let id_of = |it: &Instance| (it.namespace.clone(), it.id.clone());
        if let Some(instance) = instance {
            let is_there = known.is_some_and(|it| it.instances.contains_key(&id_of(instance)));
            if !is_there && self.registry.instances >= limits::REGISTRY_INSTANCES {
                return full("instances", limits::REGISTRY_INSTANCES);
            }
            let lists = &self.registry.service_lists;
            if !lists.contains_key(&instance.namespace)
                && lists.len() >= limits::REGISTRY_NAMESPACES
            {
                return full("namespaces", limits::REGISTRY_NAMESPACES);
            }
        }
        for CheckRegistration { check, .. } in checks {
            let id = (check.namespace.clone(), check.instance.clone());
            let comes = instance.as_ref().is_some_and(|instance| id_of(instance) == id);
            let is_there = known.is_some_and(|it| it.instances.contains_key(&id));
            if !check.is_of_node() && !comes && !is_there {
                let detail = format!("unknown service ID {:?} for check {:?}", id.1, check.id);
                return Err(Fault::new(Code::InstanceUnknown, detail));
            }
        }
        self.may_add_checks(&node.name, checks)
    }

    fn may_add_checks(&self, node: &Name, checks: &[CheckRegistration]) -> Result<(), Fault> {
        let checks = checks.iter().map(|it| &it.check);
        let fresh: Vec<&Check> = checks.filter(|it| !self.registry.has_check(node, it)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let on_node = self.registry.nodes.get(node).map_or(0, |node| node.check_count);
        let beside = fresh.iter().map(|it| self.registry.checks_beside(node, it)).max();
        for (known, most, what) in [
            (self.registry.check_places.len(), limits::REGISTRY_REGION_CHECKS, "checks"),
            (on_node, limits::REGISTRY_NODE_CHECKS, "checks on one node"),
            (beside.unwrap_or(0), limits::REGISTRY_CHECKS_BESIDE, "checks about one instance"),
        ] {
            if known + fresh.len() > most {
                return full(what, most);
            }
        }
        Ok(())
    }

    fn register_node(&mut self, registration: &Registration) {
        let node = &registration.node;
        let known = self.registry.nodes.get(&node.name).map(|entry| entry.record.clone());
        match known {
            Some(_) if registration.skip_node_update => {}
            Some(known) => {
                let same =
                    Node { created: known.created, modified: known.modified, ..node.clone() };
                if same != *known {
                    self.put_node(same);
                }
            }
            None => self.put_node(Node { created: self.revision, ..node.clone() }),
        }
    }

    fn register_instance(&mut self, node: &Name, instance: &Instance) {
        let instance = Instance { node: node.clone(), ..instance.clone() };
        let known = self.registry.instance_entry(&instance.key()).map(|it| it.record.clone());
        let Some(known) = known else {
            return self.put_instance(None, Instance { created: self.revision, ..instance });
        };
        let same = Instance { created: known.created, modified: known.modified, ..instance };
        if same != *known {
            self.put_instance(Some(known), same);
        }
    }

    fn register_check(&mut self, node: &Name, registered: &CheckRegistration) {
        let check = Check { node: node.clone(), ..registered.check.clone() };
        let known = self.registry.check_at(&check.key()).cloned();
        let Some(known) = known else {
            let (created, timer) = (self.revision, self.new_timer());
            return self.put_check(None, Check { created, timer, ..check });
        };
        let mut same =
            Check { created: known.created, modified: known.modified, timer: known.timer, ..check };
        if registered.keep_status {
            (same.status, same.output) = (known.status, known.output.clone());
        }
        if same != *known {
            self.put_check(Some(known), same);
        } else {
            self.hear_of(&known);
        }
    }

    fn drop_other_checks(&mut self, node: &Name, instance: &Instance, kept: &[CheckRegistration]) {
        let key = InstanceKey {
            node: node.clone(),
            namespace: instance.namespace.clone(),
            id: instance.id.clone(),
        };
        let Some(entry) = self.registry.instance_entry(&key) else { return };
        let stays = |check: &Check| kept.iter().any(|it| it.check.place() == check.place());
        let others: Vec<CheckKey> =
            entry.checks.iter().filter(|it| !stays(it)).map(|it| it.key()).collect();
        for key in others {
            self.remove_check(&key);
        }
    }

    pub(super) fn update_check(
        &mut self,
        key: &CheckKey,
        status: Status,
        output: Option<&Name>,
    ) -> Result<(), Fault> {
        let Some(known) = self.registry.check_at(key).cloned() else {
            let detail = format!("Unknown check ID {:?}", key.id);
            return Err(Fault::new(Code::CheckUnknown, detail));
        };
        let output = output.unwrap_or(&known.output);
        if known.status != status || known.output != *output {
            let check = Check { status, output: output.clone(), ..(*known).clone() };
            self.put_check(Some(known), check);
        } else {
            self.hear_of(&known);
        }
        Ok(())
    }
}

fn full(what: &str, most: usize) -> Result<(), Fault> {
    let detail = format!("the registry holds at most {most} {what}");
    Err(Fault::new(Code::LimitReached, detail))
}
