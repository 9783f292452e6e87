//! What changes the registry in memory, and keeps right what is derived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::members::Place;
use super::{About, NodeEntry, Owner, Registry, ServiceEntry};
use crate::registry::name::{CheckKey, InstanceKey, Name, ServiceName};
use crate::registry::record::{Check, Instance, Node, Session};

impl Registry {
    pub(in crate::registry) fn insert_node(&mut self, record: Arc<Node>) {
        self.gone_nodes.remove(&record.name);
        match self.nodes.get_mut(&record.name) {
            Some(entry) => entry.record = record,
            None => {
                let entry = NodeEntry {
                    record: record.clone(),
                    index: record.modified,
                    checks_index: record.created,
                    instances: BTreeMap::new(),
                    checks: Vec::new(),
                    check_count: 0,
                    sessions: BTreeSet::new(),
                };
                self.nodes.insert(record.name.clone(), entry);
            }
        }
    }

    /// Takes in an instance whose node is known, in the place of the one with its key, which is of the
    /// same service. Answers whether the service came about or has other tags now.
    pub(in crate::registry) fn insert_instance(&mut self, mut record: Instance) -> bool {
        let Some(node) = self.nodes.get_mut(&record.node) else { return false };
        record.node = node.record.name.clone();
        self.vocabulary.share(&mut record.zone);
        let mut name = record.service_name();
        let is_new_service = match self.services.get_key_value(&name) {
            // The records of a service share its name.
            Some((known, _)) => {
                name = known.clone();
                (record.namespace, record.service) = (known.namespace.clone(), known.name.clone());
                false
            }
            None => true,
        };
        node.instances
            .insert((record.namespace.clone(), record.id.clone()), record.service.clone());
        self.instance_places.insert(Place {
            namespace: record.namespace.clone(),
            id: record.id.clone(),
            node: record.node.clone(),
            value: (),
        });
        self.gone_services.remove(&name);
        let service = self.services.entry(name).or_default();
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
        let neighbour = service.instances.neighbour(&record.node, &record.id);
        let neighbour = neighbour.map(|entry| entry.record.clone());
        // Most instances of a service have the same tags and metadata.
        record.tags = match &neighbour {
            Some(known) if known.tags == record.tags => known.tags.clone(),
            _ => service.same_tags(&record.tags),
        };
        record.meta = match &neighbour {
            Some(known) if known.meta == record.meta => known.meta.clone(),
            _ => self.vocabulary.same_pairs(&record.meta),
        };
        let before = service.instances.insert(Arc::new(record));
        self.instances += usize::from(before.is_none());
        let lost = before.is_some_and(|before| service.forget_tags(&before));
        is_new_service || other_tags || lost
    }

    /// Drops an instance without checks. Answers it, and whether its service went or has other tags
    /// now; that the service is gone is for the caller to note.
    pub(in crate::registry) fn drop_instance(
        &mut self,
        key: &InstanceKey,
    ) -> Option<(Arc<Instance>, bool)> {
        let node = self.nodes.get_mut(&key.node)?;
        let id = (key.namespace.clone(), key.id.clone());
        let name = ServiceName { namespace: id.0.clone(), name: node.instances.remove(&id)? };
        self.instance_places.remove(&id.0, &id.1, &key.node);
        let service = self.services.get_mut(&name)?;
        let entry = service.instances.remove(&key.node, &id.1)?;
        self.instances -= 1;
        let mut other = service.forget_tags(&entry.record);
        if service.instances.is_empty() {
            self.services.remove(&name);
            other = true;
        }
        Some((entry.record, other))
    }

    /// Takes in a check, or another version of it, whose node and instance are known. It must not be
    /// about another instance than before.
    pub(in crate::registry) fn insert_check(&mut self, mut record: Check) {
        if let Some((name, _)) = self.nodes.get_key_value(&record.node) {
            record.node = name.clone();
        }
        let id = (record.namespace.clone(), record.instance.clone());
        let known = self.nodes.get(&record.node).and_then(|node| node.instances.get_key_value(&id));
        if let Some(((namespace, instance), _)) = known {
            record.namespace = namespace.clone();
            record.instance = instance.clone();
        }
        if record.name == record.id {
            record.name = record.id.clone();
        }
        self.vocabulary.share(&mut record.notes);
        self.vocabulary.share(&mut record.kind);
        let record = Arc::new(record);
        let place = Place {
            namespace: record.namespace.clone(),
            id: record.id.clone(),
            node: record.node.clone(),
            value: About { instance: record.instance.clone(), timer: record.timer },
        };
        if self.check_places.insert(place)
            && let Some(node) = self.nodes.get_mut(&record.node)
        {
            node.check_count += 1;
        }
        if record.counts_time() {
            self.timers.insert(record.timer, Owner::Check(record.clone()));
        } else {
            self.timers.remove(&record.timer);
        }
        let (node, namespace, instance) = (&record.node, &record.namespace, &record.instance);
        let Some(checks) = self.checks_at_mut(node, namespace, instance) else { return };
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

    pub(in crate::registry) fn drop_check(&mut self, key: &CheckKey) -> Option<Arc<Check>> {
        let About { instance, .. } =
            self.check_places.remove(&key.namespace, &key.id, &key.node)?;
        self.nodes.get_mut(&key.node)?.check_count -= 1;
        let checks = self.checks_at_mut(&key.node, &key.namespace, &instance)?;
        let at = checks.binary_search_by(|it| it.place().cmp(&key.place())).ok()?;
        let record = checks.remove(at);
        self.timers.remove(&record.timer);
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
        self.timers.remove(&record.timer);
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
