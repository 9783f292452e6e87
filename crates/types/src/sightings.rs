/// How many versions are remembered of one look.
const MOST: usize = 64;

/// Versions at which a copy of something was seen to be as it is now. Between two of them it may have been
/// another way for a while that this copy did not see: who has a version in between, from another copy, may
/// know something else, and is not to be told that nothing changed.
///
/// Bounded: the first, which those were told who followed this copy, and the 63 newest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sightings(Vec<i64>);

impl Sightings {
    /// As it is now it was seen first at `version`.
    #[must_use]
    pub fn from(version: i64) -> Self {
        Self(vec![version])
    }

    /// It was seen again, at a later version.
    pub fn add(&mut self, version: i64) {
        if self.0.len() == MOST {
            self.0.remove(1);
        }
        self.0.push(version);
    }

    /// Whether who has `version` knows it as it is; if not, that cannot be told.
    #[must_use]
    pub fn have(&self, version: i64) -> bool {
        self.0.binary_search(&version).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Sightings;

    #[test]
    fn the_first_and_the_newest_are_remembered() {
        let mut seen = Sightings::from(10);
        (11..=100).map(|at| at * 2).for_each(|version| seen.add(version));
        let had: Vec<i64> = (0..300).filter(|version| seen.have(*version)).collect();
        let expected: Vec<i64> = [10].into_iter().chain((38..=100).map(|at| at * 2)).collect();
        assert_eq!(had, expected);
    }
}
