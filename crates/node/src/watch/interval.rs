//! Which of many ranges hold a key.

use bytes::Bytes;
use types::KeyRange;

/// No node.
const NIL: u32 = u32::MAX;

/// A set of key ranges, each with a number, that finds the ranges around a key in about
/// `log(ranges) + hits` steps.
///
/// A treap ordered by (start, end), in which every node knows the farthest end below it. Its shape
/// follows from the order of inserts alone: the priorities come from a counter.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: Root,
    seed: u64,
}

#[derive(Debug)]
struct Root(u32);

impl Default for Root {
    fn default() -> Self {
        Self(NIL)
    }
}

#[derive(Debug)]
struct Node {
    range: KeyRange,
    value: u32,
    priority: u64,
    /// The farthest end in this subtree; `None` is the end of the key space.
    reach: Option<Bytes>,
    left: u32,
    right: u32,
}

fn farther(one: Option<&Bytes>, other: Option<&Bytes>) -> Option<Bytes> {
    Some(one?.max(other?).clone())
}

/// Orders ranges by start, then end; `None` comes last.
fn order(one: &KeyRange, other: &KeyRange) -> core::cmp::Ordering {
    one.start.cmp(&other.start).then_with(|| match (&one.end, &other.end) {
        (None, None) => core::cmp::Ordering::Equal,
        (None, Some(_)) => core::cmp::Ordering::Greater,
        (Some(_), None) => core::cmp::Ordering::Less,
        (Some(one), Some(other)) => one.cmp(other),
    })
}

impl Intervals {
    /// The number of `range`.
    pub(super) fn get(&self, range: &KeyRange) -> Option<u32> {
        let mut at = self.root.0;
        while at != NIL {
            let node = &self.nodes[at as usize];
            at = match order(range, &node.range) {
                core::cmp::Ordering::Less => node.left,
                core::cmp::Ordering::Greater => node.right,
                core::cmp::Ordering::Equal => return Some(node.value),
            };
        }
        None
    }

    /// Adds `range`, which must not be there.
    pub(super) fn insert(&mut self, range: KeyRange, value: u32) {
        // SplitMix64: neighbours in, unrelated numbers out.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut priority = self.seed;
        priority = (priority ^ (priority >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        priority = (priority ^ (priority >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        priority ^= priority >> 31;

        let reach = range.end.clone();
        let (left, right) = self.split(self.root.0, &range);
        let node = Node { range, value, priority, reach, left: NIL, right: NIL };
        let at = if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            at
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NIL)
        };
        assert!(at != NIL, "more than {NIL} ranges are watched");
        let left = self.merge(left, at);
        self.root.0 = self.merge(left, right);
    }

    /// Removes `range`; passes over one that is not there.
    pub(super) fn remove(&mut self, range: &KeyRange) {
        self.root.0 = self.remove_below(self.root.0, range);
    }

    /// Shows `visit` the number of every range that holds `key`.
    pub(super) fn around(&self, key: &[u8], visit: &mut impl FnMut(u32)) {
        self.visit(self.root.0, key, visit);
    }

    fn visit(&self, at: u32, key: &[u8], visit: &mut impl FnMut(u32)) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        if node.reach.as_ref().is_some_and(|reach| reach.as_ref() <= key) {
            return;
        }
        self.visit(node.left, key, visit);
        if node.range.start.as_ref() <= key {
            if node.range.end.as_ref().is_none_or(|end| key < end.as_ref()) {
                visit(node.value);
            }
            self.visit(node.right, key, visit);
        }
    }

    /// Sets `reach` from the children's.
    fn settle(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let mut reach = node.range.end.clone();
        for child in [node.left, node.right] {
            if let Some(child) = self.nodes.get(child as usize) {
                reach = farther(reach.as_ref(), child.reach.as_ref());
            }
        }
        self.nodes[at as usize].reach = reach;
    }

    /// Parts a subtree into what comes before `range` and what comes after.
    fn split(&mut self, at: u32, range: &KeyRange) -> (u32, u32) {
        if at == NIL {
            return (NIL, NIL);
        }
        if order(&self.nodes[at as usize].range, range).is_lt() {
            let (left, right) = self.split(self.nodes[at as usize].right, range);
            self.nodes[at as usize].right = left;
            self.settle(at);
            (at, right)
        } else {
            let (left, right) = self.split(self.nodes[at as usize].left, range);
            self.nodes[at as usize].left = right;
            self.settle(at);
            (left, at)
        }
    }

    /// Joins two subtrees of which the first comes wholly before the second.
    fn merge(&mut self, left: u32, right: u32) -> u32 {
        if left == NIL {
            return right;
        }
        if right == NIL {
            return left;
        }
        if self.nodes[left as usize].priority > self.nodes[right as usize].priority {
            let merged = self.merge(self.nodes[left as usize].right, right);
            self.nodes[left as usize].right = merged;
            self.settle(left);
            left
        } else {
            let merged = self.merge(left, self.nodes[right as usize].left);
            self.nodes[right as usize].left = merged;
            self.settle(right);
            right
        }
    }

    fn remove_below(&mut self, at: u32, range: &KeyRange) -> u32 {
        if at == NIL {
            return NIL;
        }
        let (left, right) = (self.nodes[at as usize].left, self.nodes[at as usize].right);
        match order(range, &self.nodes[at as usize].range) {
            core::cmp::Ordering::Less => {
                self.nodes[at as usize].left = self.remove_below(left, range);
            }
            core::cmp::Ordering::Greater => {
                self.nodes[at as usize].right = self.remove_below(right, range);
            }
            core::cmp::Ordering::Equal => {
                let node = &mut self.nodes[at as usize];
                (node.range, node.reach) = (KeyRange::default(), None);
                self.free.push(at);
                return self.merge(left, right);
            }
        }
        self.settle(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::prelude::*;
    use types::KeyRange;

    use super::Intervals;

    fn range() -> impl Strategy<Value = KeyRange> {
        (0..30_u8, prop::option::of(0..30_u8)).prop_map(|(start, end)| KeyRange {
            start: Bytes::from(vec![start]),
            end: end.map(|end| Bytes::from(vec![end])),
        })
    }

    proptest! {
        #[test]
        fn finds_what_a_walk_over_all_finds(
            steps in prop::collection::vec((any::<bool>(), range()), 1..200)
        ) {
            let mut intervals = Intervals::default();
            let mut model: BTreeMap<(Bytes, Option<Bytes>), u32> = BTreeMap::new();
            for (number, (add, range)) in (0_u32..).zip(steps) {
                let known = (range.start.clone(), range.end.clone());
                prop_assert_eq!(intervals.get(&range), model.get(&known).copied());
                if add && !model.contains_key(&known) {
                    intervals.insert(range, number);
                    model.insert(known, number);
                } else if !add {
                    intervals.remove(&range);
                    model.remove(&known);
                }
                for key in 0..31_u8 {
                    let mut found = Vec::new();
                    intervals.around(&[key], &mut |value| found.push(value));
                    found.sort_unstable();
                    let mut want: Vec<u32> = model
                        .iter()
                        .filter(|((start, end), _)| {
                            start.as_ref() <= &[key][..]
                                && end.as_ref().is_none_or(|end| &[key][..] < end.as_ref())
                        })
                        .map(|(_, value)| *value)
                        .collect();
                    want.sort_unstable();
                    prop_assert_eq!(found, want, "key {}", key);
                }
            }
            prop_assert!(intervals.nodes.len() <= model.len() + intervals.free.len());
        }
    }
}
