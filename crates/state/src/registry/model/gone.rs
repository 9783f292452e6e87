//! The index of what is not there any more. A client that waits for a service to come back compares
//! with the index it saw last, so that must not go down, nor up because of somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use types::{Revision, limits};

/// What went, and with which revision. Of the many that are forgotten one number is left, the newest
/// of their revisions: from then on it is the index of everything unknown.
#[derive(Debug)]
pub(crate) struct Gone<K> {
    by_name: BTreeMap<K, Revision>,
    by_age: BTreeSet<(Revision, K)>,
    floor: Revision,
}

impl<K> Default for Gone<K> {
    fn default() -> Self {
        let floor = Revision(1);
        Self { by_name: BTreeMap::new(), by_age: BTreeSet::new(), floor }
    }
}

impl<K: Clone + Ord> Gone<K> {
    /// The index of something that is not there; never 0.
    pub(crate) fn index(&self, name: &K) -> Revision {
        self.by_name.get(name).copied().unwrap_or(self.floor)
    }

    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    pub(crate) fn raise_floor(&mut self, floor: Revision) {
        self.floor = self.floor.max(floor);
    }

    /// Takes in what went. Answers what is forgotten for it, if there are too many: the oldest.
    pub(crate) fn insert(&mut self, name: K, revision: Revision) -> Option<K> {
        self.remove(&name);
        self.by_name.insert(name.clone(), revision);
        self.by_age.insert((revision, name));
        if self.by_name.len() <= limits::REGISTRY_GONE {
            return None;
        }
        let (revision, oldest) = self.by_age.pop_first()?;
        self.by_name.remove(&oldest);
        self.raise_floor(revision);
        Some(oldest)
    }

    pub(crate) fn remove(&mut self, name: &K) {
        if let Some(revision) = self.by_name.remove(name) {
            self.by_age.remove(&(revision, name.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{Revision, limits};

    use super::Gone;

    #[test]
    fn the_oldest_is_forgotten_and_no_index_goes_down() {
        let mut gone = Gone::default();
        let most = limits::REGISTRY_GONE as i64;
        for at in 0..most {
            assert_eq!(gone.insert(at, Revision(at + 10)), None);
        }
        assert_eq!(gone.index(&-1), Revision(1));
        // One that went again is young again.
        assert_eq!(gone.insert(0, Revision(most + 10)), None);
        assert_eq!(gone.insert(most, Revision(most + 11)), Some(1));
        assert_eq!(gone.index(&1), Revision(11));
        assert_eq!(gone.index(&-1), Revision(11));
        assert_eq!(gone.index(&0), Revision(most + 10));
        gone.remove(&0);
        assert!(gone.index(&0) >= Revision(11));
    }
}
