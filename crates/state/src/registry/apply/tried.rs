//! Carrying out what a transaction tried: nothing of it can be refused any more.

use std::collections::{BTreeMap, BTreeSet};

use super::Edit;
use crate::registry::name::{CheckKey, InstanceKey, Name, ServiceName};
use crate::registry::record::Check;
use crate::registry::txn::Tried;

impl Edit<'_> {
    /// Makes everything what it would be after all operations; what is so already is not touched.
    pub(crate) fn carry_out_tried(&mut self, tried: Tried) {
        let before = self.listed(self.services_of(&tried));
        self.leaves_lists = true;
        self.carry_out_all(tried);
        self.leaves_lists = false;
        let after = self.listed(before.keys().cloned().collect());
        let others = before.into_iter().filter(|(name, tags)| after.get(name) != Some(tags));
        let lists: BTreeSet<Name> = others.map(|(name, _)| name.namespace).collect();
        lists.iter().for_each(|namespace| self.touch_services_of(namespace));
    }

    /// The services that instances come to or leave.
    fn services_of(&self, tried: &Tried) -> BTreeSet<ServiceName> {
        let before = tried.instances.keys().filter_map(|key| self.registry.instance(key));
        let after = tried.instances.values().flatten().cloned();
        before.chain(after).map(|it| it.service_name()).collect()
    }

    /// What the lists show of services: their tags, where they are there.
    fn listed(&self, names: BTreeSet<ServiceName>) -> BTreeMap<ServiceName, Option<Vec<Name>>> {
        let tags = |name: &ServiceName| {
            self.registry.services.get(name).map(|entry| entry.tags.keys().cloned().collect())
        };
        names.into_iter().map(|name| (name.clone(), tags(&name))).collect()
    }

    fn carry_out_all(&mut self, tried: Tried) {
        let Tried { nodes, instances, checks, ended } = tried;
        // First, also those that hung on a check that was critical in between only.
        for id in &ended {
            self.end_session(id);
        }
        for (key, check) in &checks {
            let Some(known) = self.registry.check_at(key).cloned() else { continue };
            match check {
                // It must not move along with the instance that it was about.
                Some(check) if check.timer == known.timer && check.instance != known.instance => {
                    if let Some(node) = self.registry.nodes.find(&key.node) {
                        self.displace_check(node, key);
                    }
                }
                Some(check) if check.timer == known.timer => {}
                // One that was deleted and set again is another one.
                _ => self.remove_check(key),
            }
        }
        for (name, node) in &nodes {
            let known = self.registry.node_record(name);
            if let Some(node) = node.as_ref().filter(|node| known.as_ref() != Some(node)) {
                self.put_node((**node).clone());
            }
        }
        for (key, instance) in &instances {
            let known = self.registry.instance(key);
            let node = self.registry.nodes.find(&key.node);
            if let (Some(node), Some(instance)) = (node, instance)
                && known.as_ref() != Some(instance)
            {
                self.put_instance(node, known, (**instance).clone());
            }
        }
        for check in checks.into_values().flatten() {
            self.put_tried_check(&check);
        }
        // After the checks that were about them and are about others now.
        let gone = |(key, instance): (InstanceKey, Option<_>)| instance.is_none().then_some(key);
        for key in instances.into_iter().filter_map(gone) {
            self.remove_instance(&key);
        }
        for (name, node) in nodes {
            if node.is_none() {
                self.remove_node(&name);
            }
        }
    }

    fn put_tried_check(&mut self, check: &Check) {
        let key: CheckKey = check.key();
        let known = self.registry.check_at(&key).cloned();
        if known.as_deref() == Some(check) {
            return;
        }
        let Some(node) = self.registry.nodes.find(&key.node) else { return };
        let at = self.registry.find_about(node, &check.namespace, &check.instance);
        if let Some(at) = at {
            let place = self.registry.check_place(node, at, check);
            self.put_check(place, known, check.clone());
        }
    }
}
