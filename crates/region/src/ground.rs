//! Which region owns which keys of a sharded keyspace, as the states on one node have it.
//!
//! The keys of such a keyspace lie in the engine by keyspace and key, whoever owns them: two regions that
//! both take a key for theirs would write over one another. So on every node no two overlap, at any
//! moment and after any crash. A split keeps that by itself: parent and child change in one batch. What
//! could break it is a snapshot, which comes from another moment. It is let in only where its range is
//! free ([`Ground::claim`]); who sends it will try again, with a newer one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use types::{KeyRange, KeyspaceId, RegionId};

/// A region that owns a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plot {
    /// Which.
    pub region: RegionId,
    /// The version of its epoch, as it is applied here.
    pub version: u64,
    /// What it owns.
    pub range: KeyRange,
}

/// Who owns what.
#[derive(Default, Debug)]
pub struct Ground {
    keyspaces: BTreeMap<KeyspaceId, BTreeMap<Bytes, Arc<Plot>>>,
    /// The same by region.
    regions: BTreeMap<RegionId, (KeyspaceId, Arc<Plot>)>,
    /// What snapshots will make of regions that are not as far yet.
    claims: BTreeMap<RegionId, (KeyspaceId, KeyRange)>,
    /// Regions that somebody began on this node: each is begun once.
    begun: BTreeSet<RegionId>,
}

impl Ground {
    /// Who owns `key`.
    #[must_use]
    pub fn owner(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<&Plot> {
        let plots = self.keyspaces.get(&keyspace)?;
        let range = (std::ops::Bound::Unbounded, std::ops::Bound::Included(key));
        let (_, plot) = plots.range::<[u8], _>(range).next_back()?;
        plot.range.contains(key).then_some(plot.as_ref())
    }

    /// What a region owns.
    #[must_use]
    pub fn plot(&self, region: RegionId) -> Option<&Plot> {
        self.regions.get(&region).map(|(_, plot)| plot.as_ref())
    }

    /// The plots of a keyspace in the order of their keys.
    pub fn plots(&self, keyspace: KeyspaceId) -> impl Iterator<Item = &Plot> {
        self.keyspaces.get(&keyspace).into_iter().flat_map(BTreeMap::values).map(AsRef::as_ref)
    }

    /// Begins a region, if nobody did.
    #[must_use]
    pub fn begin(&mut self, region: RegionId) -> bool {
        self.begun.insert(region)
    }

    /// Nothing of a region is on this node any more, nor will be but what is begun anew.
    pub fn end(&mut self, region: RegionId) {
        self.give_up(region);
        self.begun.remove(&region);
    }

    /// A region's state owns `range` from here on: it was loaded, installed, or split off.
    ///
    /// # Panics
    /// When another one owns some of it.
    pub fn hold(&mut self, keyspace: KeyspaceId, plot: Plot) {
        self.give_up(plot.region);
        let clash = self.plots(keyspace).find(|it| it.range.overlaps(&plot.range));
        assert!(clash.is_none(), "{plot:?} overlaps {clash:?} in keyspace {keyspace}");
        let (start, plot) = (plot.range.start.clone(), Arc::new(plot));
        self.regions.insert(plot.region, (keyspace, Arc::clone(&plot)));
        self.keyspaces.entry(keyspace).or_default().insert(start, plot);
    }

    /// The snapshot does not come: what was claimed for it is free again.
    pub fn disclaim(&mut self, region: RegionId) {
        self.claims.remove(&region);
    }

    fn give_up(&mut self, region: RegionId) {
        self.claims.remove(&region);
        if let Some((keyspace, plot)) = self.regions.remove(&region)
            && let Some(plots) = self.keyspaces.get_mut(&keyspace)
        {
            plots.remove(&plot.range.start);
        }
    }

    /// Whether no region but this one owns any of `range`, or will.
    #[must_use]
    pub fn is_free(&self, region: RegionId, keyspace: KeyspaceId, range: &KeyRange) -> bool {
        let claims = self.claims.iter().filter(|(_, (of, _))| *of == keyspace);
        let claims = claims.map(|(region, (_, range))| (*region, range));
        let mut taken = self.plots(keyspace).map(|plot| (plot.region, &plot.range)).chain(claims);
        !taken.any(|(owner, taken)| owner != region && taken.overlaps(range))
    }

    /// A snapshot is going to take the place of a region's state, if what it owns is free. The claim lasts
    /// until the region holds something, or claims something else.
    #[must_use]
    pub fn claim(&mut self, region: RegionId, keyspace: KeyspaceId, range: &KeyRange) -> bool {
        // A region only ever gives keys away: a snapshot with more than it has is of another world.
        let own = self.plot(region).is_none_or(|plot| plot.range.covers(range));
        let is_free = own && self.is_free(region, keyspace, range);
        if is_free {
            self.claims.insert(region, (keyspace, range.clone()));
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use types::{KeyRange, KeyspaceId, RegionId};

    use super::{Ground, Plot};

    const KEYS: KeyspaceId = KeyspaceId(7);

    fn range(start: &'static str, end: &'static str) -> KeyRange {
        let end = (!end.is_empty()).then(|| Bytes::from_static(end.as_bytes()));
        KeyRange { start: Bytes::from_static(start.as_bytes()), end }
    }

    fn plot(region: u64, start: &'static str, end: &'static str) -> Plot {
        Plot { region: RegionId(region), version: 1, range: range(start, end) }
    }

    fn owner(ground: &Ground, key: &str) -> Option<u64> {
        ground.owner(KEYS, key.as_bytes()).map(|plot| plot.region.get())
    }

    #[test]
    fn every_key_has_the_owner_whose_range_it_is_in() {
        let mut ground = Ground::default();
        ground.hold(KEYS, plot(1, "", "m"));
        ground.hold(KEYS, plot(2, "p", ""));
        assert_eq!([Some(1), None, Some(2)], ["lz", "n", "z"].map(|key| owner(&ground, key)));
        ground.hold(KEYS, plot(1, "", "c"));
        ground.hold(KEYS, plot(3, "c", "m"));
        assert_eq!([Some(1), Some(3), None], ["b", "c", "m"].map(|key| owner(&ground, key)));
        assert_eq!(ground.owner(KeyspaceId(8), b"b"), None);
    }

    #[test]
    fn a_snapshot_waits_for_ground_that_another_region_has_or_will_have() {
        let mut ground = Ground::default();
        ground.hold(KEYS, plot(1, "a", "z"));
        assert!(!ground.claim(RegionId(2), KEYS, &range("m", "z")), "1 has missed the split");
        assert!(ground.claim(RegionId(1), KEYS, &range("a", "m")), "its own");
        assert!(!ground.claim(RegionId(2), KEYS, &range("m", "z")), "1 is not that far yet");
        ground.hold(KEYS, plot(1, "a", "m"));
        assert!(ground.claim(RegionId(2), KEYS, &range("m", "z")));
        assert!(!ground.claim(RegionId(3), KEYS, &range("t", "z")), "2 will have it");
        ground.hold(KEYS, plot(2, "m", "t"));
        assert!(ground.claim(RegionId(3), KEYS, &range("t", "z")));
        assert!(!ground.is_free(RegionId(4), KEYS, &range("n", "o")));
        ground.end(RegionId(2));
        assert!(ground.is_free(RegionId(4), KEYS, &range("n", "o")), "2 has left the node");
    }

    #[test]
    #[should_panic(expected = "overlaps")]
    fn two_owners_of_a_key_are_a_broken_invariant() {
        let mut ground = Ground::default();
        ground.hold(KEYS, plot(1, "a", "m"));
        ground.hold(KEYS, plot(2, "l", "z"));
    }
}
