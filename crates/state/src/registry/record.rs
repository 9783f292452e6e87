//! What the registry keeps, as clients see it. Each record knows the revision that made it and the one
//! that last changed it; a write that changes nothing moves neither.

use std::sync::Arc;

use types::Revision;

use super::name::{CheckKey, DEFAULT_NAMESPACE, InstanceKey, Name, ServiceName, TimerId};

/// Texts by their keys, ascending, no key twice.
pub type Pairs = Arc<[(Name, Name)]>;

/// A machine that instances run on: a name and an address, made known by whoever registers something
/// there. It need not be a server of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// An id of the client's own, mostly a UUID; may be empty.
    pub id: Name,
    /// Where it is reached.
    pub address: Name,
    /// Other addresses of it.
    pub tagged_addresses: Pairs,
    /// What clients wrote to it.
    pub meta: Pairs,
    /// The revision that made it.
    pub created: Revision,
    /// The revision that last changed it.
    pub modified: Revision,
}

/// An address that clients of a certain kind are to use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaggedAddress {
    /// Which kind.
    pub tag: Name,
    /// The address.
    pub address: Name,
    /// The port.
    pub port: u16,
}

/// How often an instance is to be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weights {
    /// While all of its checks pass.
    pub passing: u32,
    /// While one of them warns.
    pub warning: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

/// One instance of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// The node it is registered with.
    pub node: Name,
    /// The namespace of its service.
    pub namespace: Name,
    /// Its id, unique on its node in its namespace.
    pub id: Name,
    /// The service it is an instance of.
    pub service: Name,
    /// Its tags, in the order given.
    pub tags: Arc<[Name]>,
    /// Where it is reached; empty for "where its node is".
    pub address: Name,
    /// On which port; 0 for none.
    pub port: u16,
    /// What clients wrote to it.
    pub meta: Pairs,
    /// How often it is to be chosen.
    pub weights: Weights,
    /// Whether others may change its tags. Clients read it; nothing here depends on it.
    pub enable_tag_override: bool,
    /// Other addresses of it, ascending by tag, no tag twice.
    pub tagged_addresses: Box<[TaggedAddress]>,
    /// Where it runs, so that clients nearby can prefer it; may be empty.
    pub zone: Name,
    /// What the front door wants back as it was (Consul's kind, proxy, connect).
    pub extra: Box<[u8]>,
    /// The revision that made it.
    pub created: Revision,
    /// The revision that last changed it.
    pub modified: Revision,
}

impl Instance {
    pub(crate) fn key(&self) -> InstanceKey {
        InstanceKey {
            node: self.node.clone(),
            namespace: self.namespace.clone(),
            id: self.id.clone(),
        }
    }

    pub(crate) fn service_name(&self) -> ServiceName {
        ServiceName { namespace: self.namespace.clone(), name: self.service.clone() }
    }
}

/// How a check stands; the larger, the worse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Status {
    Passing = 0,
    Warning = 1,
    Critical = 2,
}

impl Status {
    pub(crate) fn from_u8(number: u8) -> Option<Self> {
        [Self::Passing, Self::Warning, Self::Critical]
            .into_iter()
            .find(|status| *status as u8 == number)
    }
}

/// How a check is made. What a deadline needs is understood here, the rest is the checker's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Definition {
    /// Milliseconds after which a check that hears nothing fails; 0 if it is no such check.
    pub ttl_ms: u64,
    /// Milliseconds between two checks by the cluster; 0 if it makes none.
    pub interval_ms: u64,
    /// Milliseconds one such check may take; 0 for the checker's own bound.
    pub timeout_ms: u64,
    /// Milliseconds a check is critical before its instance is removed; 0 for never.
    pub deregister_after_ms: u64,
    /// Successes in a row before a check passes; 0 and 1 are the same.
    pub success_before_passing: u8,
    /// Failures in a row before it warns; 0 for "it does not warn by failing".
    pub failures_before_warning: u8,
    /// Failures in a row before it is critical; 0 and 1 are the same.
    pub failures_before_critical: u8,
    /// What is checked and how (URL, header, body and so on), in the front door's words.
    pub target: Box<[u8]>,
}

/// A check of a node or of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// The node it is registered with.
    pub node: Name,
    /// The namespace.
    pub namespace: Name,
    /// Its id, unique on its node in its namespace.
    pub id: Name,
    /// The instance it is about, by id, in the same namespace; empty if it is about the node.
    pub instance: Name,
    /// Its name, for people.
    pub name: Name,
    /// How it stands.
    pub status: Status,
    /// What people wrote to it.
    pub notes: Name,
    /// What the checker said last.
    pub output: Name,
    /// Of which kind it is (`ttl`, `http`, `tcp`, `grpc`), as clients are told.
    pub kind: Name,
    /// How it is made.
    pub definition: Definition,
    /// What its deadline is known by.
    pub timer: TimerId,
    /// The revision that made it.
    pub created: Revision,
    /// The revision that last changed it.
    pub modified: Revision,
}

impl Check {
    /// What it is known by.
    #[must_use]
    pub fn key(&self) -> CheckKey {
        CheckKey { node: self.node.clone(), namespace: self.namespace.clone(), id: self.id.clone() }
    }

    /// The instance it is about.
    pub(crate) fn about(&self) -> InstanceKey {
        InstanceKey {
            node: self.node.clone(),
            namespace: self.namespace.clone(),
            id: self.instance.clone(),
        }
    }

    /// Whether it is about this instance.
    pub(crate) fn is_about(&self, namespace: &str, instance: &str) -> bool {
        (&*self.namespace, &*self.instance) == (namespace, instance)
    }

    /// Whether it is about the node and so about everything on it.
    #[must_use]
    pub fn is_of_node(&self) -> bool {
        self.instance.is_empty()
    }
}

impl Session {
    /// The checks it hangs on; one may be there twice.
    pub(crate) fn checks(&self) -> impl Iterator<Item = CheckKey> {
        let default = Name::from(DEFAULT_NAMESPACE);
        let key = |namespace: &Name, id: &Name| CheckKey {
            node: self.node.clone(),
            namespace: namespace.clone(),
            id: id.clone(),
        };
        let of_node = self.node_checks.iter().map(move |id| key(&default, id));
        of_node.chain(self.service_checks.iter().map(move |(namespace, id)| key(namespace, id)))
    }
}

/// What becomes of the keys a session holds when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Behavior {
    /// They stay, and nobody holds them.
    Release = 0,
    /// They are deleted.
    Delete = 1,
}

/// What holds locks. It ends when it is destroyed, not renewed in time, when its node goes, or when a
/// check it hangs on goes or turns critical.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its id, chosen before proposing.
    pub id: Name,
    /// Its name, for people.
    pub name: Name,
    /// The node it belongs to.
    pub node: Name,
    /// Milliseconds nobody gets the locks it held, once it ended.
    pub lock_delay_ms: u64,
    /// What becomes of the keys it holds.
    pub behavior: Behavior,
    /// Milliseconds it lives without being renewed; 0 for ever.
    pub ttl_ms: u64,
    /// The checks of its node it hangs on, by id, in the default namespace.
    pub node_checks: Arc<[Name]>,
    /// The checks of instances on its node it hangs on: namespace and id.
    pub service_checks: Pairs,
    /// What its deadline is known by.
    pub timer: TimerId,
    /// The revision that made it.
    pub created: Revision,
    /// The revision that last changed it: the same, unless it was renewed by a command.
    pub modified: Revision,
}
