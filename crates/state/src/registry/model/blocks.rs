//! A sorted list in blocks. A map's nodes are half empty where entries come in order, and for the few
//! entries most lists have they cost more than what is in them; here nearly all of the memory is used.

use std::cmp::Ordering;

/// Entries of a block, from which on it is split: what an insertion moves at most.
const BLOCK: usize = 256;

/// Entries in an order that whoever searches brings along; no block is empty.
#[derive(Debug)]
pub(crate) struct Blocks<T>(Vec<Vec<T>>);

/// Where an entry is, or would be. Good until the next change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    block: usize,
    at: Result<usize, usize>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Blocks<T> {
    /// `order`: how an entry lies to what is searched.
    pub(crate) fn find(&self, order: impl Fn(&T) -> Ordering) -> Spot {
        let before = |block: &Vec<T>| block.first().is_some_and(|first| order(first).is_le());
        let block = self.0.partition_point(before).saturating_sub(1);
        let at = self.0.get(block).map_or(Err(0), |block| block.binary_search_by(&order));
        Spot { block, at }
    }

    pub(crate) fn get(&self, spot: Spot) -> Option<&T> {
        self.0.get(spot.block)?.get(spot.at.ok()?)
    }

    pub(crate) fn get_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.0.get_mut(spot.block)?.get_mut(spot.at.ok()?)
    }

    /// The entry there, or one beside where it would be.
    pub(crate) fn neighbour(&self, spot: Spot) -> Option<&T> {
        self.0.get(spot.block)?.get(spot.at.unwrap_or_else(|at| at.saturating_sub(1)))
    }

    /// Puts an entry where it belongs. Answers where it is then, and the one it takes the place of.
    pub(crate) fn insert(&mut self, spot: Spot, entry: T) -> (Spot, Option<T>) {
        let Some(block) = self.0.get_mut(spot.block) else {
            self.0.push(vec![entry]);
            return (Spot { at: Ok(0), ..spot }, None);
        };
        let at = match spot.at {
            Ok(at) => return (spot, Some(std::mem::replace(&mut block[at], entry))),
            Err(at) => at,
        };
        if block.len() == block.capacity() {
            // An eighth more at a time: doubling would leave a third of the memory unused.
            block.reserve_exact((block.len() / 8).max(2));
        }
        block.insert(at, entry);
        let mut place = Spot { block: spot.block, at: Ok(at) };
        if block.len() > BLOCK {
            // What comes in order leaves full blocks behind.
            let middle = if at == BLOCK { BLOCK } else { BLOCK / 2 };
            let right = block.split_off(middle);
            block.shrink_to_fit();
            self.0.insert(spot.block + 1, right);
            if at >= middle {
                place = Spot { block: spot.block + 1, at: Ok(at - middle) };
            }
        }
        (place, None)
    }

    pub(crate) fn remove(&mut self, spot: Spot) -> Option<T> {
        let block = self.0.get_mut(spot.block)?;
        let entry = block.remove(spot.at.ok()?);
        if block.is_empty() {
            self.0.remove(spot.block);
        }
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// From the spot on.
    pub(crate) fn iter_from(&self, spot: Spot) -> impl Iterator<Item = &T> {
        let at = spot.at.unwrap_or_else(|at| at);
        self.0.iter().skip(spot.block).flatten().skip(at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counted block by block.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Blocks;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 32,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// In no order, with some removed again, and then in order.
        #[test]
        fn they_do_what_a_map_does(
            steps in prop::collection::vec((0..3_000_u32, 0..5_u32), 4_000), from in 0..3_000_u32,
        ) {
            let (mut blocks, mut map) = (Blocks::default(), BTreeMap::new());
            let in_order = (3_000..3_600).map(|key| (key, 1));
            for (key, what) in steps.into_iter().chain(in_order) {
                let spot = blocks.find(|(other, _): &(u32, u32)| other.cmp(&key));
                prop_assert_eq!(blocks.get(spot).map(|it| it.1), map.get(&key).copied());
                if what == 0 {
                    prop_assert_eq!(blocks.remove(spot).map(|it| it.1), map.remove(&key));
                } else {
                    let (place, before) = blocks.insert(spot, (key, what));
                    prop_assert_eq!(before.map(|it| it.1), map.insert(key, what));
                    prop_assert_eq!(blocks.get(place), Some(&(key, what)));
                }
            }
            prop_assert!(blocks.0.len() > 3 && blocks.0.iter().all(|block| block.len() <= 256));
            let found: Vec<_> = blocks.iter().copied().collect();
            prop_assert_eq!(found, map.clone().into_iter().collect::<Vec<_>>());
            let spot = blocks.find(|(other, _)| other.cmp(&from));
            let found: Vec<_> = blocks.iter_from(spot).map(|it| it.0).collect();
            prop_assert_eq!(found, map.range(from..).map(|it| *it.0).collect::<Vec<_>>());
            for key in map.keys() {
                let spot = blocks.find(|(other, _)| other.cmp(key));
                prop_assert!(blocks.neighbour(spot).is_some() && blocks.remove(spot).is_some());
            }
            prop_assert!(blocks.is_empty());
        }
    }
}
