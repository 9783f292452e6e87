//! The registry from the engine's records, as it is when a region starts here.
//!
//! Most indexes are not written down: that of a service is the newest revision among what an answer
//! about it shows. Only where something was *removed* nothing is left to tell of it, and an index
//! record says so.

use types::{Reader, RegionId, Revision};

use super::Registry;
use crate::codec::CodecError;
use crate::codec::primitives::Cursor;
use crate::error::LoadError;
use crate::registry::codec;
use crate::registry::keys::{self, Kind};
use crate::registry::name::Name;

impl Registry {
    pub(crate) fn load(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        let mut registry = Self::default();
        let (first, last) = keys::all(region);
        let (start, end) = keys::of_no_service(region);
        // Nodes before what lies on them, and instances before their checks.
        registry.scan(reader, &start, &end, |kind| kind != Kind::NodeCheck)?;
        registry.scan(reader, &start, &end, |kind| kind == Kind::NodeCheck)?;
        for (from, to) in [(&first, &start), (&end, &last)] {
            registry.scan(reader, from, to, |kind| kind == Kind::Instance)?;
            registry.scan(reader, from, to, |kind| kind != Kind::Instance)?;
        }
        registry.derive_indexes();
        Ok(registry)
    }

    fn scan(
        &mut self,
        reader: &dyn Reader,
        start: &[u8],
        end: &[u8],
        wanted: impl Fn(Kind) -> bool,
    ) -> Result<(), LoadError> {
        let mut damaged = None;
        reader.scan(start, end, &mut |key, value| {
            let taken = match keys::parse(&key) {
                Some(parsed) if !wanted(parsed.kind) => return true,
                Some(parsed) => self.take(&parsed, value),
                None => Ok(false),
            };
            match taken {
                Ok(true) => return true,
                Ok(false) => damaged = Some(format!("a record under the key {key:?}")),
                Err(error) => damaged = Some(format!("the record under {key:?}: {error}")),
            }
            false
        })?;
        damaged.map_or(Ok(()), |what| Err(LoadError::Damaged(what)))
    }

    /// Answers whether the record is one that can be here.
    fn take(&mut self, key: &keys::Parsed<'_>, value: bytes::Bytes) -> Result<bool, CodecError> {
        let mut from = Cursor::new(value);
        let mut fits = true;
        match key.kind {
            Kind::Node => {
                let node = codec::get_node(&mut from)?;
                self.insert_node(node.into());
            }
            Kind::Instance => {
                let instance = codec::get_instance(&mut from)?;
                match self.nodes.find(&instance.node) {
                    Some(node) => drop(self.insert_instance(node, instance)),
                    None => fits = false,
                }
            }
            Kind::Check | Kind::NodeCheck => {
                let check = codec::get_check(&mut from)?;
                let node = self.nodes.find(&check.node);
                let about = node.and_then(|node| {
                    Some((node, self.find_about(node, &check.namespace, &check.instance)?))
                });
                match about {
                    Some((node, at)) => {
                        let place = self.check_place(node, at, &check);
                        self.insert_check(place, check);
                    }
                    None => fits = false,
                }
            }
            Kind::Session => {
                let session = codec::get_session(&mut from)?;
                fits = self.nodes.contains_key(&session.node);
                self.insert_session(session);
            }
            Kind::ServiceIndex => {
                let [index, of_checks] = [from.revision()?, from.revision()?];
                match self.services.get_mut(&key.service) {
                    Some(service) => (service.index, service.checks_index) = (index, of_checks),
                    None => fits = self.gone_services.insert(key.service.clone(), index).is_none(),
                }
            }
            Kind::NodeIndex => {
                let [index, of_checks] = [from.revision()?, from.revision()?];
                let name: Name = key.rest.into();
                match self.nodes.get_mut(&name) {
                    Some(node) => {
                        // One from before this node came about says nothing of it.
                        if index >= node.record.created {
                            (node.index, node.checks_index) = (index, of_checks);
                        }
                    }
                    None => fits = self.gone_nodes.insert(name, index).is_none(),
                }
            }
            Kind::Mirror => {
                let at = from.revision()?;
                match key.rest {
                    "" => self.mirrored.gone = at,
                    name => drop(self.mirrored.nodes.insert(name.into(), at)),
                }
            }
            Kind::Staged => fits = self.staged.load(&mut from)?,
            Kind::ServiceList => {
                let index = from.revision()?;
                self.service_lists.insert(key.rest.into(), index);
            }
            Kind::Lists => {
                self.lists.nodes = from.revision()?;
                self.lists.checks = from.revision()?;
                self.lists.sessions = from.revision()?;
                self.gone_nodes.raise_floor(from.revision()?);
                self.gone_services.raise_floor(from.revision()?);
            }
        }
        from.end()?;
        Ok(fits)
    }

    /// Raises each index to the newest revision of what it is the index of.
    fn derive_indexes(&mut self) {
        let lists = &mut self.lists;
        for session in self.sessions.values() {
            lists.sessions = lists.sessions.max(session.modified);
        }
        let mut on_nodes = std::collections::BTreeMap::new();
        for node in self.nodes.values_mut() {
            let of_checks = newest(node.checks.iter().map(|check| check.modified));
            lists.nodes = lists.nodes.max(node.record.modified);
            lists.checks = lists.checks.max(of_checks);
            node.index = node.index.max(node.record.modified);
            node.checks_index = node.checks_index.max(of_checks);
            on_nodes.insert(node.record.name.clone(), of_checks.max(node.record.modified));
        }
        for service in self.services.values_mut() {
            // Without an index record of this life of the service, its oldest instance is the first.
            let recorded = service.index;
            let oldest = service.instances.iter().map(|entry| entry.record.created).min();
            let began = oldest.filter(|began| recorded < *began).unwrap_or_default();
            service.checks_index = service.checks_index.max(began);
            for entry in service.instances.iter() {
                let name = &entry.record.node;
                let of_checks = newest(entry.checks.iter().map(|check| check.modified));
                lists.checks = lists.checks.max(of_checks);
                let of_instance = of_checks.max(entry.record.modified);
                let of_node = on_nodes.get(name).copied().unwrap_or_default();
                service.index = service.index.max(of_instance).max(of_node);
                service.checks_index = service.checks_index.max(of_checks);
                if let Some(node) = self.nodes.get_mut(name) {
                    node.index = node.index.max(entry.record.modified);
                    node.checks_index = node.checks_index.max(of_checks);
                }
            }
        }
    }
}

fn newest(revisions: impl Iterator<Item = Revision>) -> Revision {
    revisions.max().unwrap_or_default()
}
