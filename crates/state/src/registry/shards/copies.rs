//! What a home says of nodes, and what shards know of it.

use types::Revision;

use crate::registry::command::Mirror;
use crate::registry::model::Registry;
use crate::registry::name::Name;
use crate::registry::record::{Check, Node};

impl Registry {
    /// Of one node, at its newest revision, which is `at`.
    #[must_use]
    pub fn mirror(&self, name: &Name, at: Revision) -> Mirror {
        let node = self.nodes.get(name).map(|entry| {
            let checks = entry.checks.iter().map(|check| as_copy(check)).collect();
            ((*entry.record).clone(), checks)
        });
        Mirror { at, name: name.clone(), node }
    }

    /// From which of its home's revisions on a shard takes what is said of a node.
    #[must_use]
    pub fn takes_from(&self, name: &str) -> Revision {
        match self.mirrored.nodes.get(name) {
            Some(known) => Revision(known.get().saturating_add(1)),
            // At one revision the home says one thing of a node: the other that is gone is another one.
            None => self.mirrored.gone,
        }
    }

    /// Whether a shard has a node as its home says.
    #[must_use]
    pub fn agrees(&self, mirror: &Mirror) -> bool {
        match (self.nodes.get(&mirror.name), &mirror.node) {
            (None, None) => true,
            (Some(known), Some((node, checks))) => {
                known.record.is_like(node)
                    && known.checks.len() == checks.len()
                    && known.checks.iter().zip(checks).all(|(known, check)| {
                        let Check { created, modified, timer, .. } = **known;
                        **known == Check { created, modified, timer, ..check.clone() }
                    })
            }
            _ => false,
        }
    }
}

/// It is the home's leader that hears beats of a check, and makes it: a copy counts nothing.
pub(in crate::registry) fn as_copy(check: &Check) -> Check {
    let mut copy = check.clone();
    let definition = &mut copy.definition;
    (definition.ttl_ms, definition.interval_ms) = (0, 0);
    (definition.success_before_passing, definition.failures_before_warning) = (0, 0);
    definition.failures_before_critical = 0;
    copy.timer = check.timer.of_home();
    copy
}

impl Node {
    /// Whether both say the same, whenever they came about.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { created, modified, .. } = *self;
        *self == Self { created, modified, ..other.clone() }
    }
}
