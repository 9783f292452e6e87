//! What is known of how clients log in: auth methods, and the rules that say what they are then.

use super::model::AclId;

/// A way to log in: somebody else says who a client is, and this says who is believed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AclMethod {
    /// By what a client proves who it is: `jwt`, `kubernetes`. What a node does not know it does not let in.
    pub kind: Box<str>,
    /// For people.
    pub display_name: Box<str>,
    /// For people.
    pub description: Box<str>,
    /// For how long a token counts at most that is made by it; 0 for ever.
    pub max_ttl_ms: u64,
    /// Whether its tokens are local, as whoever made it said; there is one datacenter.
    pub local: bool,
    /// How tokens are to be called, as it was written; shown, and nothing else.
    pub name_format: Box<str>,
    /// A JSON object, by the kind. There may be secrets in it.
    pub config: Box<str>,
    /// The number of the change that made it.
    pub create_index: u64,
    /// The number of the change that last changed it.
    pub modify_index: u64,
}

/// Without the configuration: there may be secrets in it.
impl std::fmt::Debug for AclMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AclMethod").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a binding rule makes of who logs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum BindKind {
    /// A service, which registers itself and finds others.
    #[default]
    Service = 0,
    /// A node.
    Node = 1,
    /// Somebody with a role, if there is one of that name.
    Role = 2,
    /// Somebody with a policy, if there is one of that name.
    Policy = 3,
    /// Somebody with what a template says.
    TemplatedPolicy = 4,
}

impl BindKind {
    /// All of them, with Consul's words.
    const WORDS: [(Self, &str); 5] = [
        (Self::Service, "service"),
        (Self::Node, "node"),
        (Self::Role, "role"),
        (Self::Policy, "policy"),
        (Self::TemplatedPolicy, "templated-policy"),
    ];

    /// By Consul's word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, it)| *it == word).map(|(kind, _)| *kind)
    }

    /// Consul's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    pub(crate) fn numbered(number: u8) -> Option<Self> {
        Self::WORDS.iter().map(|(kind, _)| *kind).find(|kind| *kind as u8 == number)
    }
}

/// What somebody is who logs in by a method.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AclBinding {
    /// The method, by name.
    pub method: AclId,
    /// For people.
    pub description: Box<str>,
    /// Whom it is about, in the language of Consul's filters; empty for everybody.
    pub selector: Box<str>,
    /// What it makes of them.
    pub kind: BindKind,
    /// The name of that, with `${…}` for what is known of who logs in.
    pub name: Box<str>,
    /// What a template is filled with, likewise; names are in order.
    pub variables: Vec<(Box<str>, Box<str>)>,
    /// The number of the change that made it.
    pub create_index: u64,
    /// The number of the change that last changed it.
    pub modify_index: u64,
}
