//! Which keyspaces a registry lies in.

use std::sync::Arc;

use parking_lot::Mutex;
use state::directory::Directory;
use state::registry::{MACHINE, ServiceName, shard_name, shard_of};
use types::KeyspaceId;

use super::Topic;

/// What somebody asks a registry about: which parts of it have to be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// What is of no service: nodes and their own checks, sessions, keys.
    Home,
    /// A service.
    Service(ServiceName),
    /// More than that.
    Whole,
}

impl From<&Topic> for Scope {
    fn from(topic: &Topic) -> Self {
        match topic {
            Topic::Service(service) => Self::Service(service.clone()),
            Topic::Nodes | Topic::Sessions | Topic::Session(_) => Self::Home,
            Topic::Node(_) | Topic::Services(_) | Topic::Checks => Self::Whole,
        }
    }
}

/// The registry: its home and, if it is sharded, its shards.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) home: KeyspaceId,
    pub(crate) shards: Box<[KeyspaceId]>,
}

impl Parts {
    fn of(directory: &Directory) -> Option<Self> {
        let named = |name: &str| {
            let found = directory.keyspace_named(name)?;
            (found.machine.as_deref() == Some(MACHINE)).then_some(found.id)
        };
        let shards = (1..).map_while(|shard| named(&shard_name(shard))).collect();
        Some(Self { home: named(MACHINE)?, shards })
    }

    pub(crate) fn is_sharded(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Home, and then the shards: the numbers of [`state::registry::TimerId::of_part`].
    pub(crate) fn all(&self) -> impl Iterator<Item = KeyspaceId> + '_ {
        std::iter::once(self.home).chain(self.shards.iter().copied())
    }

    /// The part a service lies in, by its number.
    pub(crate) fn number_of(&self, service: &ServiceName) -> usize {
        number_of(service, self.shards.len())
    }

    pub(crate) fn at(&self, number: usize) -> Option<KeyspaceId> {
        self.all().nth(number)
    }
}

/// The part a service lies in, where there are so many shards beside the home.
pub(crate) fn number_of(service: &ServiceName, shards: usize) -> usize {
    if shards == 0 { 0 } else { 1 + shard_of(service, shards) }
}

/// The parts as they were found in the directory last.
#[derive(Default)]
pub(crate) struct PartsKnown(Mutex<Option<Found>>);

/// The directory, and the registry that is in it.
type Found = (Arc<Directory>, Option<Arc<Parts>>);

impl PartsKnown {
    pub(crate) fn get(&self, directory: Arc<Directory>) -> Option<Arc<Parts>> {
        let mut known = self.0.lock();
        if let Some((of, parts)) = &*known
            && Arc::ptr_eq(of, &directory)
        {
            return parts.clone();
        }
        let parts = Parts::of(&directory).map(Arc::new);
        *known = Some((directory, parts.clone()));
        parts
    }
}
