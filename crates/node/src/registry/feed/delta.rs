use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use state::registry::query::Member;
use state::registry::{Instance, Name, Node, ServiceName, Status};
use tokio::time::Instant;
use types::Revision;

/// An instance as subscribers see it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The node it is on.
    pub node: Arc<Node>,
    /// The instance.
    pub instance: Arc<Instance>,
    /// The worst of its checks and its node's.
    pub status: Status,
}

impl Seen {
    /// Whether a subscriber is shown the same. What checks say in words it is not shown.
    fn is_like(&self, other: &Self) -> bool {
        self.status == other.status
            && self.instance.modified == other.instance.modified
            && self.node.modified == other.node.modified
    }
}

impl From<Member> for Seen {
    fn from(member: Member) -> Self {
        let status = member.status();
        Self { node: member.node, instance: member.instance, status }
    }
}

/// What an instance of one service is known by: its node and its id.
pub(super) type Place = (Name, Name);

/// The instances of a service.
pub(super) type Members = BTreeMap<Place, Seen>;

pub(super) fn place(seen: &Seen) -> Place {
    (Name::clone(&seen.instance.node), Name::clone(&seen.instance.id))
}

/// What became of a service from one version to another.
#[derive(Debug)]
pub struct Delta {
    /// The service.
    pub service: ServiceName,
    /// The version it goes on from; 0 for everything, whatever was known before.
    pub from: Revision,
    /// The version it leads to.
    pub to: Revision,
    /// Instances that came or are another way.
    pub changed: Vec<Seen>,
    /// Instances that went: node and id.
    pub gone: Vec<(Name, Name)>,
    /// When the first of it was seen here.
    pub(super) since: Instant,
    encoded: OnceLock<Bytes>,
}

impl Delta {
    pub(super) fn between(
        service: &ServiceName,
        (from, before): (Revision, &Members),
        (to, after): (Revision, &Members),
        since: Instant,
    ) -> Self {
        let changed = after
            .iter()
            .filter(|(place, seen)| before.get(*place).is_none_or(|known| !known.is_like(seen)));
        let gone = before.keys().filter(|place| !after.contains_key(*place));
        Self {
            service: service.clone(),
            from,
            to,
            changed: changed.map(|(_, seen)| seen.clone()).collect(),
            gone: gone.cloned().collect(),
            since,
            encoded: OnceLock::new(),
        }
    }

    /// How many instances it tells of.
    pub(super) fn len(&self) -> usize {
        self.changed.len() + self.gone.len()
    }

    /// Its encoded form, made by `encode` the first time: every caller has to bring the same encoding.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}
