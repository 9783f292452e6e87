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

/// How many of them one revision can hand out.
const TIMERS_OF_A_COMMAND: u64 = 256;

impl TimerId {
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
