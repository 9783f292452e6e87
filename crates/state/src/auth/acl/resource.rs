//! What rules are about.

use core::fmt;

use types::KeyRange;

/// How much a rule gives, the more the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Nothing, also where something else would give it.
    Deny,
    /// To read.
    Read,
    /// To read, and to list what is below (keys only).
    List,
    /// To read and to write.
    Write,
}

impl Access {
    /// Its name in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        }
    }

    /// Of two rules of different policies for the very same, the one that counts: deny before write
    /// before list before read.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        if self == Self::Deny || other == Self::Deny { Self::Deny } else { self.max(other) }
    }
}

/// Something that is asked for, as the rules know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource<'a> {
    /// A key.
    Key(&'a [u8]),
    /// Every key of a range.
    Keys(&'a KeyRange),
    /// The instances of a service, and their checks.
    Service(&'a str),
    /// A node, and its own checks.
    Node(&'a str),
    /// A node of the cluster itself.
    Member(&'a str),
    /// All nodes there are, and will be.
    AllNodes,
    /// Sessions on a node.
    Session(&'a str),
    /// What an agent, here a server, does and says of itself.
    Agent(&'a str),
    /// Events of a name.
    Event(&'a str),
    /// Prepared queries whose name begins so.
    Query(&'a str),
    /// The cluster.
    Operator,
    /// Keys of gossip, which there is none of.
    Keyring,
    /// Tokens, policies and roles.
    Acl,
    /// Settings of a mesh; who says nothing of it means the operator.
    Mesh,
    /// Other clusters; likewise.
    Peering,
    /// All there is: what is read, or written over, as a whole.
    Everything,
}

impl Resource<'_> {
    /// Its name in rules.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::Keys(_) => "key",
            Self::Service(_) => "service",
            Self::Node(_) | Self::Member(_) | Self::AllNodes => "node",
            Self::Session(_) => "session",
            Self::Agent(_) => "agent",
            Self::Event(_) => "event",
            Self::Query(_) => "query",
            Self::Operator => "operator",
            Self::Keyring => "keyring",
            Self::Acl | Self::Everything => "acl",
            Self::Mesh => "mesh",
            Self::Peering => "peering",
        }
    }

    /// In Consul's words: which permission is lacking, and on what.
    #[must_use]
    pub fn lacking(&self, wanted: Access) -> String {
        let name = self.to_string();
        let on = if name.is_empty() { String::new() } else { format!(" on {name:?}") };
        format!("lacks permission '{}:{}'{on}", self.kind(), wanted.name())
    }
}

/// The name of the single thing, if it is one.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&String::from_utf8_lossy(key)),
            Self::Keys(range) => f.write_str(&String::from_utf8_lossy(&range.start)),
            Self::Service(name)
            | Self::Node(name)
            | Self::Member(name)
            | Self::Session(name)
            | Self::Agent(name)
            | Self::Event(name)
            | Self::Query(name) => f.write_str(name),
            Self::AllNodes
            | Self::Operator
            | Self::Keyring
            | Self::Acl
            | Self::Mesh
            | Self::Peering
            | Self::Everything => Ok(()),
        }
    }
}
