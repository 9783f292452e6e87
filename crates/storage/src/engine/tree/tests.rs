//! Beside a `BTreeMap`, with keys that are hard to tell apart by their heads.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Item, Tree};

#[derive(Clone, PartialEq, Debug)]
struct Pair(Bytes, u64);

impl Item for Pair {
    fn key(&self) -> &[u8] {
        &self.0
    }

    fn bound(&self) -> Bytes {
        self.0.clone()
    }

    fn cost(&self) -> u64 {
        1
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Few bytes of few kinds behind what many keys have in common, which may be more than a node leaves out;
    /// zeros among them, which heads are filled up with.
    fn key(&mut self) -> Bytes {
        let front = [0, 3, 9, 29, 30, 31, 45][self.below(7) as usize];
        let mut key = vec![b'p'; front];
        for _ in 0..self.below(14) {
            key.push([0, 1, b'p', 255][self.below(4) as usize]);
        }
        key.into()
    }
}

fn all(tree: &Tree<Pair>, start: &[u8]) -> Vec<Pair> {
    tree.from(start).cloned().collect()
}

#[test]
fn a_tree_is_a_sorted_map_whatever_its_keys_have_in_common() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let (mut tree, mut model) = (Tree::default(), BTreeMap::new());
        let mut frozen = (tree.clone(), model.clone());
        for step in 0..6_000 {
            // It grows, shrinks to nothing and grows again.
            let deletes = if (step / 1_500) % 2 == 0 { 3 } else { 8 };
            let key = random.key();
            if random.below(10) < deletes {
                // The one that is there, most often.
                let next = model.range(key.clone()..).next().map(|(key, _)| key);
                let key = next.cloned().unwrap_or(key);
                tree.delete(&key);
                model.remove(&key);
            } else {
                tree.put(Pair(key.clone(), step));
                model.insert(key, step);
            }
            let probe = random.key();
            assert_eq!(tree.get(&probe).map(|pair| pair.1), model.get(&probe).copied(), "{seed}");
            let next = tree.from(&probe).next().map(|pair| pair.0.clone());
            assert_eq!(next.as_ref(), model.range(probe..).next().map(|(key, _)| key), "{seed}");
            assert_eq!(tree.bytes(), model.len() as u64);
            if step % 500 == 0 {
                let pairs = |model: &BTreeMap<Bytes, u64>| -> Vec<Pair> {
                    model.iter().map(|(key, value)| Pair(key.clone(), *value)).collect()
                };
                assert_eq!(all(&tree, b""), pairs(&model), "seed {seed} step {step}");
                assert_eq!(all(&frozen.0, b""), pairs(&frozen.1), "a clone stays as it was");
                frozen = (tree.clone(), model.clone());
            }
        }
    }
}
