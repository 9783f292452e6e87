//! The instances of one service, in order, and where ids are.

use std::cmp::Ordering;
use std::sync::Arc;

use super::blocks::{Blocks, Spot};
use crate::registry::name::Name;
use crate::registry::record::{Check, Instance};

/// An instance with its checks.
#[derive(Debug)]
pub(crate) struct InstanceEntry {
    pub(crate) record: Arc<Instance>,
    /// Ascending by id.
    pub(crate) checks: Vec<Arc<Check>>,
}

/// Instances by node and id.
#[derive(Default, Debug)]
pub(crate) struct Members(Blocks<InstanceEntry>);

impl Members {
    fn find(&self, node: &str, id: &str) -> Spot {
        self.0.find(|entry| (&*entry.record.node, &*entry.record.id).cmp(&(node, id)))
    }

    pub(crate) fn get(&self, node: &str, id: &str) -> Option<&InstanceEntry> {
        self.0.get(self.find(node, id))
    }

    pub(crate) fn get_mut(&mut self, node: &str, id: &str) -> Option<&mut InstanceEntry> {
        self.0.get_mut(self.find(node, id))
    }

    /// The one of this node and id, or one beside where it would be.
    pub(crate) fn neighbour(&self, node: &str, id: &str) -> Option<&InstanceEntry> {
        self.0.neighbour(self.find(node, id))
    }

    /// Takes in an instance, in the place of the one with its node and id, whose checks it keeps. Answers
    /// what was there.
    pub(crate) fn insert(&mut self, record: Arc<Instance>) -> Option<Arc<Instance>> {
        let spot = self.find(&record.node, &record.id);
        if let Some(entry) = self.0.get_mut(spot) {
            return Some(std::mem::replace(&mut entry.record, record));
        }
        self.0.insert(spot, InstanceEntry { record, checks: Vec::new() });
        None
    }

    pub(crate) fn remove(&mut self, node: &str, id: &str) -> Option<InstanceEntry> {
        self.0.remove(self.find(node, id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &InstanceEntry> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A namespace, an id in it, and on which node: ids are unique on a node only, and asked for without.
#[derive(Debug)]
pub(crate) struct Place<V> {
    pub(crate) namespace: Name,
    pub(crate) id: Name,
    pub(crate) node: Name,
    pub(crate) value: V,
}

/// Where ids are, in the order of namespace, id and node.
#[derive(Debug)]
pub(crate) struct Places<V> {
    blocks: Blocks<Place<V>>,
    len: usize,
}

impl<V> Default for Places<V> {
    fn default() -> Self {
        Self { blocks: Blocks::default(), len: 0 }
    }
}

impl<V> Place<V> {
    fn order(&self, namespace: &str, id: &str, node: &str) -> Ordering {
        (&*self.namespace, &*self.id, &*self.node).cmp(&(namespace, id, node))
    }
}

impl<V> Places<V> {
    fn find(&self, namespace: &str, id: &str, node: &str) -> Spot {
        self.blocks.find(|place| place.order(namespace, id, node))
    }

    pub(crate) fn get(&self, namespace: &str, id: &str, node: &str) -> Option<&V> {
        self.blocks.get(self.find(namespace, id, node)).map(|place| &place.value)
    }

    /// Answers whether it was not there.
    pub(crate) fn insert(&mut self, place: Place<V>) -> bool {
        let spot = self.find(&place.namespace, &place.id, &place.node);
        let is_new = self.blocks.insert(spot, place).is_none();
        self.len += usize::from(is_new);
        is_new
    }

    pub(crate) fn remove(&mut self, namespace: &str, id: &str, node: &str) -> Option<V> {
        let place = self.blocks.remove(self.find(namespace, id, node))?;
        self.len -= 1;
        Some(place.value)
    }

    /// Those of a namespace, from an id on.
    pub(crate) fn from<'a>(
        &'a self,
        namespace: &'a str,
        id: &str,
    ) -> impl Iterator<Item = &'a Place<V>> {
        let places = self.blocks.iter_from(self.find(namespace, id, ""));
        places.take_while(move |place| &*place.namespace == namespace)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
