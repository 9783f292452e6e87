//! What changes the registry in memory, and keeps right what is derived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Revision;

use super::members::{Members, Resident, Residents};
use super::places::Place;
use super::{About, At, CheckAt, NodeEntry, Owner, Registry, ServiceEntry, Slot};
use crate::registry::name::{CheckKey, InstanceKey, Name, ServiceName};
use crate::registry::record::{Check, Instance, Node, Session};

/// What became of an instance that was taken in.
#[derive(Clone, Copy, Debug)]
pub(in crate::registry) struct Taken {
    pub(in crate::registry) service: Slot,
    pub(in crate::registry) at: At,
    /// The service came about with it.
    pub(in crate::registry) begins: bool,
    /// The service has other tags now.
    pub(in crate::registry) other_tags: bool,
}

impl Registry {
    pub(in crate::registry) fn insert_node(&mut self, record: Arc<Node>) -> Slot {
        if let Some(slot) = self.nodes.find(&record.name) {
            if let Some(entry) = self.nodes.at_mut(slot) {
                entry.record = record;
            }
            return slot;
        }
        self.gone_nodes.remove(&record.name);
        let entry = NodeEntry {
            record: record.clone(),
            index: record.modified,
            checks_index: record.created,
            instances: Residents::default(),
            checks: Vec::new(),
            check_count: 0,
            sessions: BTreeSet::new(),
        };
        self.nodes.add(record.name.clone(), entry)
    }

    /// The service of this name; a new one, without anything in it, if there is none.
    fn service_slot(&mut self, name: ServiceName) -> (Slot, bool) {
        if let Some(slot) = self.services.find(&name) {
            return (slot, false);
        }
        self.gone_services.remove(&name);
        let entry = ServiceEntry {
            name: name.clone(),
            instances: Members::default(),
            tags: BTreeMap::new(),
            index: Revision(0),
            checks_index: Revision(0),
        };
        (self.services.add(name, entry), true)
    }

    /// Takes in an instance on a known node, in the place of the one with its key, which is of the same
    /// service. `None` if there is no such node.
    pub(in crate::registry) fn insert_instance(
        &mut self,
        node: Slot,
        mut record: Instance,
    ) -> Option<Taken> {
        record.node = self.nodes.at(node)?.record.name.clone();
        self.vocabulary.share(&mut record.zone);
        let (slot, begins) = self.service_slot(record.service_name());
        let service = self.services.at_mut(slot)?;
        // The records of a service share its name.
        record.namespace = service.name.namespace.clone();
        record.service = service.name.name.clone();
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
        let spot = service.instances.find(&record.node, &record.id);
        let is_new = service.instances.at(spot).is_none();
        let neighbour = service.instances.neighbour(spot).map(|entry| &entry.record);
        // Most instances of a service have the same tags and metadata.
        record.tags = match neighbour {
            Some(known) if known.tags == record.tags => known.tags.clone(),
            _ => service.same_tags(&record.tags),
        };
        record.meta = match neighbour {
            Some(known) if known.meta == record.meta => known.meta.clone(),
            _ => self.vocabulary.same_pairs(&record.meta),
        };
        let record = Arc::new(record);
        let (spot, before) = service.instances.insert(spot, record.clone());
        let lost = before.is_some_and(|before| service.forget_tags(&before));
        if is_new {
            self.instances += 1;
            let (namespace, id) = (record.namespace.clone(), record.id.clone());
            self.instance_places.insert(Place::new(namespace, id, node, ()));
            let (namespace, id) = (record.namespace.clone(), record.id.clone());
            self.nodes.at_mut(node)?.instances.insert(Resident::new(namespace, id, slot));
        }
        let at = At { service: slot, spot };
        Some(Taken { service: slot, at, begins, other_tags: other_tags || lost })
    }

    /// Drops an instance without checks. Answers it, the service if that is still there, and whether
    /// that has other tags now; that a service is gone is for the caller to note.
    pub(in crate::registry) fn drop_instance(
        &mut self,
        node: Slot,
        key: &InstanceKey,
    ) -> Option<(Arc<Instance>, Option<Slot>, bool)> {
        let InstanceKey { namespace, id, .. } = key;
        let At { service: slot, spot } = self.find_instance(node, namespace, id)?;
        self.nodes.at_mut(node)?.instances.remove(namespace, id);
        self.instance_places.remove(namespace, id, node);
        let service = self.services.at_mut(slot)?;
        let entry = service.instances.remove(spot)?;
        self.instances -= 1;
        let other = service.forget_tags(&entry.record);
        if service.instances.is_empty() {
            let name = service.name.clone();
            self.services.remove(&name);
            return Some((entry.record, None, true));
        }
        Some((entry.record, Some(slot), other))
    }

    /// Takes in a check, or another version of it, where it belongs. It must not be about another
    /// instance than before.
    pub(in crate::registry) fn insert_check(&mut self, place: CheckAt, mut record: Check) {
        let CheckAt { node, at, spot } = place;
        if let Some(known) = self.nodes.at(node) {
            record.node = known.record.name.clone();
        }
        if let Some(known) = at.and_then(|at| self.instance_at(at)) {
            record.namespace = known.record.namespace.clone();
            record.instance = known.record.id.clone();
        }
        if record.name == record.id {
            record.name = record.id.clone();
        } else {
            self.vocabulary.share(&mut record.name);
        }
        self.vocabulary.share(&mut record.notes);
        self.vocabulary.share(&mut record.kind);
        let record = Arc::new(record);
        let about = About { instance: record.instance.clone(), timer: record.timer };
        let (namespace, id) = (record.namespace.clone(), record.id.clone());
        if self.check_places.insert_at(spot, Place::new(namespace, id, node, about))
            && let Some(node) = self.nodes.at_mut(node)
        {
            node.check_count += 1;
        }
        if record.counts_time() {
            self.timers.insert(record.timer, Owner::Check(record.clone()));
        } else {
            self.timers.remove(record.timer);
        }
        let Some(checks) = self.checks_at_mut(node, at) else { return };
        match checks.binary_search_by(|it| it.place().cmp(&record.place())) {
            Ok(at) => checks[at] = record,
            Err(at) => {
                if checks.len() == checks.capacity() {
                    // Most have one; one more each time would copy many too often.
                    checks.reserve_exact((checks.len() / 8).max(1));
                }
                checks.insert(at, record);
            }
        }
    }

    pub(in crate::registry) fn drop_check(
        &mut self,
        node: Slot,
        key: &CheckKey,
    ) -> Option<Arc<Check>> {
        let About { instance, .. } = self.check_places.remove(&key.namespace, &key.id, node)?;
        self.nodes.at_mut(node)?.check_count -= 1;
        let at = self.find_about(node, &key.namespace, &instance)?;
        let checks = self.checks_at_mut(node, at)?;
        let at = checks.binary_search_by(|it| it.place().cmp(&key.place())).ok()?;
        let record = checks.remove(at);
        self.timers.remove(record.timer);
        Some(record)
    }

    pub(in crate::registry) fn insert_session(&mut self, record: Session) {
        let record = Arc::new(record);
        if let Some(node) = self.nodes.get_mut(&record.node) {
            node.sessions.insert(record.id.clone());
        }
        self.hanging.extend(record.checks().map(|check| (check, record.id.clone())));
        if record.ttl_ms > 0 {
            self.timers.insert(record.timer, Owner::Session(record.clone()));
        }
        self.sessions.insert(record.id.clone(), record);
    }

    pub(in crate::registry) fn drop_session(&mut self, id: &str) -> Option<Arc<Session>> {
        let record = self.sessions.remove(id)?;
        if let Some(node) = self.nodes.get_mut(&record.node) {
            node.sessions.remove(&record.id);
        }
        for check in record.checks() {
            self.hanging.remove(&(check, record.id.clone()));
        }
        self.timers.remove(record.timer);
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
