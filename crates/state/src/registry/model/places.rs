//! Where ids are: unique on a node only, and asked for without.

use std::cmp::Ordering;

use super::blocks::{Blocks, Spot};
use super::named::Slot;
use crate::registry::name::Name;

/// A namespace, an id in it, and on which node.
#[derive(Debug)]
pub(crate) struct Place<V> {
    /// Of namespace and id. It comes first: ids mostly begin alike, and lie all over the memory.
    digest: u64,
    pub(crate) namespace: Name,
    pub(crate) id: Name,
    pub(crate) node: Slot,
    pub(crate) value: V,
}

/// Places in an order that means nothing, in which those of one id lie together.
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

/// FNV-1a. Whoever makes up ids that have the same gets a list in the order of their names.
pub(super) fn digest(namespace: &str, id: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in namespace.bytes().chain([0]).chain(id.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

impl<V> Place<V> {
    pub(crate) fn new(namespace: Name, id: Name, node: Slot, value: V) -> Self {
        Self { digest: digest(&namespace, &id), namespace, id, node, value }
    }

    fn order(&self, digest: u64, namespace: &str, id: &str) -> Ordering {
        let by_name = || (&*self.id, &*self.namespace).cmp(&(id, namespace));
        self.digest.cmp(&digest).then_with(by_name)
    }
}

impl<V> Places<V> {
    fn find(&self, digest: u64, namespace: &str, id: &str, node: Slot) -> Spot {
        self.blocks
            .find(|place| place.order(digest, namespace, id).then_with(|| place.node.cmp(&node)))
    }

    /// Where an id is, or would be; good until the next change.
    pub(crate) fn spot(&self, namespace: &str, id: &str, node: Slot) -> Spot {
        self.find(digest(namespace, id), namespace, id, node)
    }

    pub(crate) fn at(&self, spot: Spot) -> Option<&V> {
        self.blocks.get(spot).map(|place| &place.value)
    }

    pub(crate) fn get(&self, namespace: &str, id: &str, node: Slot) -> Option<&V> {
        self.at(self.spot(namespace, id, node))
    }

    /// Answers whether it was not there.
    pub(crate) fn insert(&mut self, place: Place<V>) -> bool {
        let spot = self.find(place.digest, &place.namespace, &place.id, place.node);
        self.insert_at(spot, place)
    }

    /// The same, where its spot is known.
    pub(crate) fn insert_at(&mut self, spot: Spot, place: Place<V>) -> bool {
        let is_new = self.blocks.insert(spot, place).1.is_none();
        self.len += usize::from(is_new);
        is_new
    }

    pub(crate) fn remove(&mut self, namespace: &str, id: &str, node: Slot) -> Option<V> {
        let place = self.blocks.remove(self.spot(namespace, id, node))?;
        self.len -= 1;
        Some(place.value)
    }

    /// Those of an id, on whichever node.
    pub(crate) fn of<'a>(
        &'a self,
        namespace: &'a str,
        id: &'a str,
    ) -> impl Iterator<Item = &'a Place<V>> {
        let digest = digest(namespace, id);
        let places = self.blocks.iter_from(self.find(digest, namespace, id, Slot::FIRST));
        places.take_while(move |place| place.order(digest, namespace, id).is_eq())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
