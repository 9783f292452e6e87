//! What the registry calls things by.

use core::fmt;
use std::sync::Arc;

/// A text that many records share.
pub type Name = Arc<str>;

/// The namespace of whoever names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A service: what clients ask for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServiceName {
    /// The namespace; names in two of them have nothing to do with one another.
    pub namespace: Name,
    /// The service's name.
    pub name: Name,
}

/// An instance of a service: unique on its node, whatever service it is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct InstanceKey {
    /// The node it is registered with.
    pub node: Name,
    /// The namespace of its service.
    pub namespace: Name,
    /// Its id.
    pub id: Name,
}

/// A check, unique on its node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CheckKey {
    /// The node it is registered with.
    pub node: Name,
    /// The namespace.
    pub namespace: Name,
    /// Its id.
    pub id: Name,
}

/// What a deadline belongs to, a check or a session: never used twice in a region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TimerId(pub u64);

/// Bits of a number that say in which part of a sharded registry it was handed out: the highest. Revisions of
/// 50 bits are left, a million a second for 35 years.
const PART_BITS: u32 = 6;
const PART_SHIFT: u32 = u64::BITS - PART_BITS;
/// No part, but what the home handed out and a shard knows.
const OF_HOME: u64 = (1 << PART_BITS) - 1;

/// How many of them one revision can hand out.
const TIMERS_OF_A_COMMAND: u64 = 256;

impl TimerId {
    /// The number as it is told outside, where it was handed out by this part of a registry: 0 for its
    /// home, or for all of one that is not sharded, and the shards from 1 on.
    #[must_use]
    pub fn of_part(self, part: usize) -> Self {
        Self(self.0 | (part as u64) << PART_SHIFT)
    }

    /// Which part of a registry handed it out, and what it is known by there.
    #[must_use]
    pub fn part(self) -> (usize, Self) {
        let part = self.0 >> PART_SHIFT;
        (usize::try_from(part).unwrap_or(0), Self(self.0 & !(u64::MAX << PART_SHIFT)))
    }

    /// What a shard calls a deadline by which is its home's, and nothing to it.
    pub(crate) fn of_home(self) -> Self {
        Self(self.0 | OF_HOME << PART_SHIFT)
    }

    pub(crate) fn is_of_home(self) -> bool {
        self.0 >> PART_SHIFT == OF_HOME
    }

    /// The id of what a command made as its `ordinal`-th thing. Revisions count commands that changed
    /// something, so this is unique without a counter of its own.
    pub(crate) fn made_at(revision: types::Revision, ordinal: u64) -> Self {
        debug_assert!(ordinal < TIMERS_OF_A_COMMAND, "thing {ordinal} of one command");
        Self::made_from(revision, ordinal)
    }

    /// The same for a command that makes any number of things, and uses up the revisions from `first`
    /// to [`Self::last_revision`].
    pub(crate) fn made_from(first: types::Revision, ordinal: u64) -> Self {
        Self(first.get().cast_unsigned() * TIMERS_OF_A_COMMAND + ordinal)
    }

    /// The last revision that a command uses up which makes so many things from `first` on.
    pub(crate) fn last_revision(first: types::Revision, made: u64) -> types::Revision {
        let more = made.saturating_sub(1) / TIMERS_OF_A_COMMAND;
        types::Revision(first.get() + i64::try_from(more).unwrap_or(i64::MAX))
    }
}

impl ServiceName {
    /// The service `name` of `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl InstanceKey {
    /// Not after any on this node.
    pub(crate) fn first_on(node: &Name) -> Self {
        Self { node: node.clone(), namespace: Name::default(), id: Name::default() }
    }

    /// The instance `id` in `namespace` on `node`.
    #[must_use]
    pub fn new(node: &str, namespace: &str, id: &str) -> Self {
        Self { node: node.into(), namespace: namespace.into(), id: id.into() }
    }
}

impl CheckKey {
    /// Not after any on this node.
    pub(crate) fn first_on(node: &Name) -> Self {
        Self { node: node.clone(), namespace: Name::default(), id: Name::default() }
    }

    /// The check `id` in `namespace` on `node`.
    #[must_use]
    pub fn new(node: &str, namespace: &str, id: &str) -> Self {
        Self { node: node.into(), namespace: namespace.into(), id: id.into() }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.node, self.namespace, self.id)
    }
}

impl fmt::Display for CheckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.node, self.namespace, self.id)
    }
}
