//! Who has to be told, and the indexes that no record that is left will tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Edit;
use crate::codec::primitives::Writer;
use crate::registry::answer::Changes;
use crate::registry::keys;
use crate::registry::model::Slot;
use crate::registry::name::Name;
use crate::registry::record::Session;

/// Whether the newest of the records that an index is the index of tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    No,
}

impl Edit<'_> {
    pub(super) fn touch_checked(&mut self, node: Slot, service: Option<Slot>, told: Told) {
        self.touch_checks(told);
        self.touch_node_checks(node, told);
        match service {
            Some(service) => {
                self.touch_service(service, told);
                self.touch_service_checks(service);
            }
            None => self.touch_services_on(node, told),
        }
    }

    pub(super) fn touch_checks(&mut self, told: Told) {
        self.changed = true;
        self.changes.checks = true;
        self.registry.lists.checks = self.revision;
        self.untold_lists |= told == Told::No;
    }

    pub(super) fn touch_node(&mut self, node: Slot, told: Told) {
        self.changed = true;
        let Some(entry) = self.registry.nodes.at_mut(node) else { return };
        let before = std::mem::replace(&mut entry.index, self.revision);
        if before != self.revision && entry.checks_index != self.revision {
            self.changes.nodes.insert(entry.record.name.clone());
        }
        if told == Told::No {
            self.untold_nodes.insert(entry.record.name.clone());
        }
    }

    /// Of the checks on a node, or of what is shown with them.
    pub(super) fn touch_node_checks(&mut self, node: Slot, told: Told) {
        self.changed = true;
        let Some(entry) = self.registry.nodes.at_mut(node) else { return };
        let before = std::mem::replace(&mut entry.checks_index, self.revision);
        if before != self.revision && entry.index != self.revision {
            self.changes.nodes.insert(entry.record.name.clone());
        }
        if told == Told::No {
            self.untold_nodes.insert(entry.record.name.clone());
        }
    }

    /// As for the service, which is touched as well: whether it is told is the same question.
    pub(super) fn touch_service_checks(&mut self, service: Slot) {
        if let Some(service) = self.registry.services.at_mut(service) {
            service.checks_index = self.revision;
        }
    }

    pub(super) fn touch_service(&mut self, service: Slot, told: Told) {
        self.changed = true;
        let Some(entry) = self.registry.services.at_mut(service) else { return };
        // What this revision touched before is among what changed already.
        if std::mem::replace(&mut entry.index, self.revision) != self.revision {
            self.changes.services.insert(entry.name.clone());
        }
        if told == Told::No {
            self.untold_services.insert(entry.name.clone());
        }
    }

    /// Answers about a service show the nodes its instances are on, with their checks.
    pub(super) fn touch_services_on(&mut self, node: Slot, told: Told) {
        let Some(node) = self.registry.nodes.at(node) else { return };
        let services: BTreeSet<Slot> = node.instances.iter().map(|it| it.service).collect();
        for service in services {
            self.touch_service(service, told);
        }
    }

    /// The list that a service is in.
    pub(super) fn touch_service_list(&mut self, service: Slot) {
        let entry = self.registry.services.at(service);
        if let Some(namespace) = entry.map(|entry| entry.name.namespace.clone()) {
            self.touch_services_of(&namespace);
        }
    }

    /// The list of a namespace's services.
    pub(super) fn touch_services_of(&mut self, namespace: &Name) {
        if self.leaves_lists {
            return;
        }
        let mut out = Writer::default();
        out.revision(self.revision);
        self.batch.put(keys::service_list(self.region, namespace), out.finish());
        self.registry.service_lists.insert(namespace.clone(), self.revision);
        self.changes.service_lists.insert(namespace.clone());
    }

    /// Writes the indexes that nothing else tells. Answers who has to be told, which sessions ended, and
    /// whether anything changed: then the region's revision is this command's.
    pub(crate) fn finish(self) -> (Changes, Vec<Arc<Session>>, bool) {
        let record = |(index, of_checks)| {
            let mut out = Writer::default();
            out.revision(index);
            out.revision(of_checks);
            out.finish()
        };
        // What is not there any more went with this revision.
        let gone = (self.revision, self.revision);
        for service in &self.untold_services {
            let known = self.registry.services.get(service);
            let indexes = known.map_or(gone, |it| (it.index, it.checks_index));
            self.batch.put(keys::service_index(self.region, service), record(indexes));
        }
        for node in &self.untold_nodes {
            let known = self.registry.nodes.get(node);
            let indexes = known.map_or(gone, |it| (it.index, it.checks_index));
            self.batch.put(keys::node_index(self.region, node), record(indexes));
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
