//! A sorted map whose entries have places beside their names: a command finds one by its name once, and
//! from then on by a number.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::RangeFrom;

/// Where an entry of a [`Named`] is, for as long as it is there; the next one may get the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot(usize);

impl Slot {
    /// None is before it.
    pub(super) const FIRST: Self = Self(0);
}

/// Entries by their names, in order.
#[derive(Debug)]
pub(crate) struct Named<K, V> {
    slots: BTreeMap<K, Slot>,
    entries: Vec<Option<V>>,
    /// Places of which nobody has one.
    free: Vec<Slot>,
}

impl<K, V> Default for Named<K, V> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), entries: Vec::new(), free: Vec::new() }
    }
}

impl<K: Ord, V> Named<K, V> {
    pub(crate) fn find<Q: Ord + ?Sized>(&self, name: &Q) -> Option<Slot>
    where
        K: Borrow<Q>,
    {
        self.slots.get(name).copied()
    }

    pub(crate) fn at(&self, slot: Slot) -> Option<&V> {
        self.entries.get(slot.0)?.as_ref()
    }

    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.entries.get_mut(slot.0)?.as_mut()
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, name: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.at(self.find(name)?)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, name: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.at_mut(self.find(name)?)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.slots.contains_key(name)
    }

    /// Adds an entry whose name is not there.
    pub(crate) fn add(&mut self, name: K, entry: V) -> Slot {
        let slot = self.free.pop().unwrap_or(Slot(self.entries.len()));
        match self.entries.get_mut(slot.0) {
            Some(place) => *place = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.slots.insert(name, slot);
        slot
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let slot = self.slots.remove(name)?;
        self.free.push(slot);
        self.entries.get_mut(slot.0)?.take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().filter_map(|(name, slot)| Some((name, self.at(*slot)?)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, entry)| entry)
    }

    /// In no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten()
    }

    pub(crate) fn range(&self, from: RangeFrom<K>) -> impl Iterator<Item = (&K, &V)> {
        self.slots.range(from).filter_map(|(name, slot)| Some((name, self.at(*slot)?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn places_stay_while_others_come_and_go() {
        let mut named = Named::default();
        let slots = ["b", "a", "c"].map(|name| (name, named.add(name, name.len())));
        assert_eq!(named.remove("a"), Some(1));
        let fresh = named.add("aa", 2);
        assert_eq!(fresh, slots[1].1);
        for (name, slot) in [slots[0], slots[2], ("aa", fresh)] {
            assert_eq!((named.find(name), named.at(slot)), (Some(slot), named.get(name)));
        }
        let names: Vec<_> = named.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["aa", "b", "c"]);
        assert_eq!(named.range("b"..).count(), 2);
        assert_eq!((named.len(), named.contains_key("a"), named.remove("a")), (3, false, None));
    }
}
