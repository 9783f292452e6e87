//! In which order answers come: another one each time, so that clients who take the first are spread.

use std::hash::{BuildHasher, RandomState};

/// Random numbers that nobody can foresee from outside, and on which nothing but an order depends.
#[derive(Debug)]
pub(super) struct Order(u64);

impl Order {
    pub(super) fn new() -> Self {
        // Keyed by the system's randomness.
        Self::seeded(RandomState::new().hash_one(0_u64))
    }

    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (splitmix64).
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Puts `items` into an order of which each is as likely as another.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for left in (1..items.len()).rev() {
            // The high half of a product is evenly enough spread over what is left.
            let wide = u128::from(self.number()) * (left as u128 + 1);
            items.swap(left, usize::try_from(wide >> 64).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn each_order_comes_as_often_as_another() {
        let mut order = Order::seeded(7);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut items = [1, 2, 3];
            order.shuffle(&mut items);
            *seen.entry(items).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|times| (850..1_150).contains(times)), "{seen:?}");
    }
}
