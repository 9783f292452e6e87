//! Which parts of a registry have what, by their numbers ([`crate::registry::TimerId::of_part`]).

use super::{Registries, look};
use crate::registry::model::Registry;
use crate::registry::name::{CheckKey, InstanceKey};

impl Registries<'_> {
    /// The parts that have an instance of this key. There is more than one while it goes from one service to
    /// another.
    #[must_use]
    pub fn parts_with_instance(&self, key: &InstanceKey) -> Vec<usize> {
        self.with(|_, part| part.instance(key).is_some())
    }

    /// The same for a check: a node's own is at home.
    #[must_use]
    pub fn parts_with_check(&self, key: &CheckKey) -> Vec<usize> {
        self.with(|number, part| {
            part.check_at(key).is_some_and(|check| number == 0 || !check.is_of_node())
        })
    }

    fn with(&self, has: impl Fn(usize, &Registry) -> bool) -> Vec<usize> {
        let all = std::iter::once(self.home).chain(self.shards.iter().copied());
        let found = all.enumerate().filter(|(number, part)| look(*part, |it| has(*number, it)));
        found.map(|(number, _)| number).collect()
    }

    /// Asks one part; `None` where there are not so many.
    pub fn at<T>(&self, number: usize, ask: impl FnMut(&Registry) -> T) -> Option<T> {
        match number {
            0 => Some(look(self.home, ask)),
            number => Some(look(*self.shards.get(number - 1)?, ask)),
        }
    }
}
