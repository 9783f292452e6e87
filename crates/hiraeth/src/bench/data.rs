//! Keys and values.

/// What values are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Values {
    /// Random bytes: nothing can be compressed.
    Random,
    /// Half random bytes, half zeros.
    Half,
}

/// Which keys and values there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) keys: u64,
    pub(super) key_bytes: usize,
    pub(super) value_bytes: usize,
    pub(super) values: Values,
}

impl Shape {
    /// Writes key number `number`: its digits, as many as a key has bytes.
    pub(super) fn key(&self, number: u64, into: &mut Vec<u8>) {
        let start = into.len();
        into.resize(start + self.key_bytes, b'0');
        let mut rest = number;
        for digit in into[start..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// Writes a value.
    pub(super) fn value(&self, random: &mut Random, into: &mut Vec<u8>) {
        let start = into.len();
        let filled = match self.values {
            Values::Random => self.value_bytes,
            Values::Half => self.value_bytes / 2,
        };
        while into.len() < start + filled {
            into.extend_from_slice(&random.next().to_le_bytes());
        }
        into.truncate(start + filled);
        into.resize(start + self.value_bytes, 0);
    }

    /// Whether there are as many keys of this length.
    pub(super) fn fits(&self) -> bool {
        let digits = u32::try_from(self.key_bytes).unwrap_or(u32::MAX);
        10_u64.checked_pow(digits).is_none_or(|most| self.keys <= most)
    }
}

/// Random numbers that are good enough for keys, and cheap (xorshift64*).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // A state of zero would stay zero; close seeds shall not begin alike.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Shape, Values};

    #[test]
    fn keys_differ_and_have_their_length() {
        let shape = Shape { keys: 1000, key_bytes: 3, value_bytes: 11, values: Values::Half };
        let mut all = std::collections::BTreeSet::new();
        for number in 0..1000 {
            let mut key = Vec::new();
            shape.key(number, &mut key);
            assert_eq!(key.len(), 3);
            all.insert(key);
        }
        assert_eq!(all.len(), 1000);
        assert!(shape.fits() && !Shape { keys: 1001, ..shape }.fits());
        assert!(Shape { keys: u64::MAX, key_bytes: 20, ..shape }.fits());
        let mut value = Vec::new();
        shape.value(&mut Random::new(1), &mut value);
        assert_eq!((value.len(), &value[5..]), (11, &[0; 6][..]));
    }

    #[test]
    fn all_keys_are_chosen() {
        let mut random = Random::new(0);
        let mut counts = [0; 10];
        (0..10_000).for_each(|_| counts[random.below(10) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
