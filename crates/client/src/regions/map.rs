//! What a client knows of the regions of a keyspace. It may be old: whoever is asked wrongly says so.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use types::KeyRange;

/// Routes that are kept at most: all regions of a large keyspace.
const ROUTES: usize = 16_384;

/// Where the keys of a range are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) region: u64,
    pub(crate) version: u64,
    /// In which the first node leads; another in an answer says that this is old.
    pub(crate) term: u64,
    pub(crate) range: KeyRange,
    /// The nodes to ask, the leader first.
    pub(crate) nodes: Vec<u64>,
}

/// Routes by their first key; no two overlap.
#[derive(Default, Debug)]
pub(crate) struct RouteMap(BTreeMap<Bytes, Route>);

impl RouteMap {
    /// The route of the region that owns `key`, if it is known.
    pub(crate) fn owner(&self, key: &[u8]) -> Option<&Route> {
        let until = (Bound::Unbounded, Bound::Included(key));
        let (_, route) = self.0.range::<[u8], _>(until).next_back()?;
        route.range.contains(key).then_some(route)
    }

    /// The routes of every part of `range`, each cut to it; `None` if one is not known.
    pub(crate) fn cover(&self, range: &KeyRange) -> Option<Vec<Route>> {
        let mut routes = Vec::new();
        let mut rest = range.clone();
        while !rest.is_empty() {
            let route = self.owner(&rest.start)?;
            let part = rest.shared_with(&route.range);
            routes.push(Route { range: part, ..route.clone() });
            match &route.range.end {
                Some(end) => rest.start.clone_from(end),
                None => break,
            }
        }
        Some(routes)
    }

    /// Takes what a server told, in place of what was known of the same keys.
    pub(crate) fn learn(&mut self, routes: impl IntoIterator<Item = Route>) {
        for route in routes.into_iter().filter(|route| !route.range.is_empty()) {
            self.forget(&route.range);
            if self.0.len() >= ROUTES {
                self.0.clear();
            }
            self.0.insert(route.range.start.clone(), route);
        }
    }

    /// Forgets every route with a key in `range`.
    pub(crate) fn forget(&mut self, range: &KeyRange) {
        if range.is_empty() {
            return;
        }
        let first = self.owner(&range.start).map(|route| route.range.start.clone());
        let from = first.unwrap_or_else(|| range.start.clone());
        let until = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let known = self.0.range((Bound::Included(from), until));
        let starts: Vec<Bytes> = known.map(|(start, _)| start.clone()).collect();
        for start in starts {
            self.0.remove(&start);
        }
    }

    /// Of the owner of `key`, the node that was asked is not the one to ask: it is asked last.
    pub(crate) fn avoid(&mut self, key: &[u8], node: u64) {
        let Some(start) = self.owner(key).map(|route| route.range.start.clone()) else { return };
        let Some(route) = self.0.get_mut(&start) else { return };
        if let Some(at) = route.nodes.iter().position(|it| *it == node) {
            route.nodes.remove(at);
            route.nodes.push(node);
        }
    }

    /// The owner of `key` answered in `term`: if that is not the one it was known to be led in, its regions
    /// may lie and be led elsewhere, and are asked for anew. Who told the way may not have known the term.
    pub(crate) fn heard(&mut self, key: &[u8], term: u64) {
        let Some(route) = self.owner(key) else { return };
        let (known, range) = (route.term, route.range.clone());
        if known == 0 {
            if let Some(route) = self.0.get_mut(&range.start) {
                route.term = term;
            }
        } else if known != term {
            self.forget(&range);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use bytes::Bytes;
    use types::KeyRange;

    use super::{Route, RouteMap};

    const KEYS: u8 = 20;

    fn range(start: u8, end: u8) -> KeyRange {
        let end = (end < KEYS).then(|| Bytes::from(vec![end]));
        KeyRange { start: Bytes::from(vec![start]), end }
    }

    /// Random routes against a plain list of who owns each key.
    #[test]
    fn every_key_goes_where_it_was_last_told_to_be() {
        for seed in 0..200_u64 {
            let random =
                |at: u64| BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, at));
            let (mut map, mut model) = (RouteMap::default(), BTreeMap::<u8, u64>::new());
            for step in 0..60 {
                let start = u8::try_from(random(step * 3) % u64::from(KEYS)).unwrap();
                let len = u8::try_from(random(step * 3 + 1) % 6).unwrap();
                let end = (start + len).min(KEYS);
                let told = range(start, end);
                if random(step * 3 + 2).is_multiple_of(5) {
                    map.forget(&told);
                } else {
                    map.learn([Route {
                        region: step,
                        version: 1,
                        term: 1,
                        range: told.clone(),
                        nodes: vec![],
                    }]);
                }
                // A route that is overlapped is forgotten as a whole.
                let lost: Vec<u64> =
                    (start..end).filter_map(|key| model.get(&key).copied()).collect();
                model.retain(|_, region| !lost.contains(region));
                if !random(step * 3 + 2).is_multiple_of(5) {
                    model.extend((start..end).map(|key| (key, step)));
                }
                for key in 0..KEYS {
                    let owner = map.owner(&[key]).map(|route| route.region);
                    assert_eq!(
                        owner,
                        model.get(&key).copied(),
                        "seed {seed} step {step} key {key}"
                    );
                }
                let all = (0..KEYS).map(|key| model.get(&key).copied()).collect::<Option<Vec<_>>>();
                let cover = map.cover(&range(0, KEYS));
                assert_eq!(cover.is_some(), all.is_some(), "seed {seed} step {step}");
                if let (Some(cover), Some(mut all)) = (cover, all) {
                    all.dedup();
                    assert_eq!(cover.iter().map(|it| it.region).collect::<Vec<_>>(), all);
                    assert!(
                        cover
                            .windows(2)
                            .all(|two| two[0].range.end.as_ref() == Some(&two[1].range.start))
                    );
                }
            }
        }
    }

    #[test]
    fn a_node_that_is_avoided_is_asked_last() {
        let mut map = RouteMap::default();
        map.learn([Route {
            region: 1,
            version: 1,
            term: 1,
            range: range(0, KEYS),
            nodes: vec![1, 2, 3],
        }]);
        map.avoid(&[4], 1);
        map.avoid(&[4], 9);
        assert_eq!(map.owner(&[4]).unwrap().nodes, [2, 3, 1]);
        map.heard(&[4], 1);
        assert!(map.owner(&[4]).is_some());
        let unknown = Route { term: 0, ..map.owner(&[4]).unwrap().clone() };
        map.learn([unknown]);
        map.heard(&[4], 1);
        assert_eq!(map.owner(&[4]).unwrap().term, 1);
        map.heard(&[4], 2);
        assert!(map.owner(&[5]).is_none(), "led by somebody else since");
    }
}
