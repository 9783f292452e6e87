//! The instances of one service, in order, and those of one node.

use std::sync::Arc;

use super::blocks::{Blocks, Spot};
use super::named::Slot;
use super::places::digest;
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
    pub(crate) fn find(&self, node: &str, id: &str) -> Spot {
        self.0.find(|entry| (&*entry.record.node, &*entry.record.id).cmp(&(node, id)))
    }

    pub(crate) fn at(&self, spot: Spot) -> Option<&InstanceEntry> {
        self.0.get(spot)
    }

    pub(crate) fn at_mut(&mut self, spot: Spot) -> Option<&mut InstanceEntry> {
        self.0.get_mut(spot)
    }

    /// The one there, or one beside where it would be.
    pub(crate) fn neighbour(&self, spot: Spot) -> Option<&InstanceEntry> {
        self.0.neighbour(spot)
    }

    /// Takes in an instance at its spot, in the place of the one that is there, whose checks it keeps.
    /// Answers where it is, and what was there.
    pub(crate) fn insert(
        &mut self,
        spot: Spot,
        record: Arc<Instance>,
    ) -> (Spot, Option<Arc<Instance>>) {
        if let Some(entry) = self.0.get_mut(spot) {
            return (spot, Some(std::mem::replace(&mut entry.record, record)));
        }
        (self.0.insert(spot, InstanceEntry { record, checks: Vec::new() }).0, None)
    }

    pub(crate) fn remove(&mut self, spot: Spot) -> Option<InstanceEntry> {
        self.0.remove(spot)
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

/// An instance on a node, and the service it is of.
#[derive(Debug)]
pub(crate) struct Resident {
    /// Of namespace and id, as in [`Place`](super::places::Place).
    digest: u64,
    pub(crate) namespace: Name,
    pub(crate) id: Name,
    pub(crate) service: Slot,
}

impl Resident {
    pub(crate) fn new(namespace: Name, id: Name, service: Slot) -> Self {
        Self { digest: digest(&namespace, &id), namespace, id, service }
    }
}

/// The instances on one node, in an order that means nothing.
#[derive(Default, Debug)]
pub(crate) struct Residents(Blocks<Resident>);

impl Residents {
    fn find(&self, digest: u64, namespace: &str, id: &str) -> Spot {
        self.0.find(|it| {
            let by_name = || (&*it.id, &*it.namespace).cmp(&(id, namespace));
            it.digest.cmp(&digest).then_with(by_name)
        })
    }

    pub(crate) fn get(&self, namespace: &str, id: &str) -> Option<Slot> {
        let spot = self.find(digest(namespace, id), namespace, id);
        self.0.get(spot).map(|it| it.service)
    }

    pub(crate) fn insert(&mut self, resident: Resident) {
        let spot = self.find(resident.digest, &resident.namespace, &resident.id);
        self.0.insert(spot, resident);
    }

    pub(crate) fn remove(&mut self, namespace: &str, id: &str) {
        self.0.remove(self.find(digest(namespace, id), namespace, id));
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Resident> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// By namespace and id.
    pub(crate) fn sorted(&self) -> Vec<&Resident> {
        let mut all: Vec<&Resident> = self.0.iter().collect();
        all.sort_by_key(|it| (&*it.namespace, &*it.id));
        all
    }
}
