//! What is known of tokens, policies and roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::method::{AclBinding, AclMethod};
use super::rules::Rules;
use crate::auth::{KeptSecret, Secret};

/// The id of a token, a policy or a role: a UUID as text.
pub type AclId = Arc<str>;

/// The policy that gives everything; it cannot be changed.
pub const GLOBAL_MANAGEMENT: &str = "00000000-0000-0000-0000-000000000001";
/// The policy that shows everything; it cannot be changed either.
const GLOBAL_READ_ONLY: &str = "00000000-0000-0000-0000-000000000002";
/// The token of those that bring none; it cannot be deleted.
pub const ANONYMOUS_TOKEN: &str = "00000000-0000-0000-0000-000000000002";
/// What the policy for everything says.
pub const MANAGEMENT_RULES: &str = r#"acl = "write"
agent_prefix "" { policy = "write" }
event_prefix "" { policy = "write" }
key_prefix "" { policy = "write" }
keyring = "write"
mesh = "write"
node_prefix "" { policy = "write" }
operator = "write"
peering = "write"
query_prefix "" { policy = "write" }
service_prefix "" { policy = "write" }
session_prefix "" { policy = "write" }
"#;

/// What the policy that shows everything says.
const READ_ONLY_RULES: &str = r#"acl = "read"
agent_prefix "" { policy = "read" }
event_prefix "" { policy = "read" }
key_prefix "" { policy = "read" }
keyring = "read"
mesh = "read"
node_prefix "" { policy = "read" }
operator = "read"
peering = "read"
query_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
session_prefix "" { policy = "read" }
"#;

/// What a token may be beside its policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum IdentityKind {
    /// A service: it registers itself and finds others.
    Service = 0,
    /// A node: it registers itself and finds services.
    Node = 1,
    /// The templated policy `builtin/service`.
    ServiceTemplate = 2,
    /// `builtin/node`.
    NodeTemplate = 3,
    /// `builtin/dns`.
    DnsTemplate = 4,
    /// `builtin/nomad-server`.
    NomadServerTemplate = 5,
    /// `builtin/nomad-client`.
    NomadClientTemplate = 6,
    /// `builtin/api-gateway`.
    ApiGatewayTemplate = 7,
}

impl IdentityKind {
    /// All, by their numbers in records.
    pub(crate) const ALL: [Self; 8] = [
        Self::Service,
        Self::Node,
        Self::ServiceTemplate,
        Self::NodeTemplate,
        Self::DnsTemplate,
        Self::NomadServerTemplate,
        Self::NomadClientTemplate,
        Self::ApiGatewayTemplate,
    ];

    /// Whether it is a templated policy.
    #[must_use]
    pub fn is_template(self) -> bool {
        !matches!(self, Self::Service | Self::Node)
    }
}

/// Rights that go by a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Of what kind.
    pub kind: IdentityKind,
    /// The service's, or the node's; empty for a template that takes none.
    pub name: Box<str>,
    /// Where it counts; empty for everywhere.
    pub datacenters: Vec<Box<str>>,
}

/// A token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AclToken {
    /// A hash of what its holder shows; the state does not have the secret itself. Empty for the token of
    /// those that bring none.
    pub secret: Secret,
    /// The secret itself, if the node that made it was told to keep secrets; else empty.
    pub kept: KeptSecret,
    /// The auth method by which its holder logged in; empty for a token that was made.
    pub auth_method: Box<str>,
    /// For people.
    pub description: Box<str>,
    /// Its policies, by id. Those that are there no more give nothing.
    pub policies: Vec<AclId>,
    /// Its roles, likewise.
    pub roles: Vec<AclId>,
    /// What it is besides.
    pub identities: Vec<Identity>,
    /// As whoever made it said; there is one datacenter.
    pub local: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends, in milliseconds since 1970; 0 for never.
    pub expires_ms: u64,
    /// The number of the change that made it.
    pub create_index: u64,
    /// The number of the change that last changed it.
    pub modify_index: u64,
}

impl AclToken {
    /// Whether it counts at a time.
    #[must_use]
    pub fn lives_at(&self, now_ms: u64) -> bool {
        self.expires_ms == 0 || now_ms < self.expires_ms
    }
}

/// A policy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AclPolicy {
    /// Nobody else's.
    pub name: Box<str>,
    /// For people.
    pub description: Box<str>,
    /// As they were written.
    pub text: Box<str>,
    /// What they say.
    pub rules: Arc<Rules>,
    /// Where it counts; empty for everywhere.
    pub datacenters: Vec<Box<str>>,
    /// The number of the change that made it.
    pub create_index: u64,
    /// The number of the change that last changed it.
    pub modify_index: u64,
}

/// A role: policies and identities under one name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AclRole {
    /// Nobody else's.
    pub name: Box<str>,
    /// For people.
    pub description: Box<str>,
    /// Its policies, by id.
    pub policies: Vec<AclId>,
    /// What its tokens are besides.
    pub identities: Vec<Identity>,
    /// The number of the change that made it.
    pub create_index: u64,
    /// The number of the change that last changed it.
    pub modify_index: u64,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acl {
    /// Whether anything is enforced.
    pub enabled: bool,
    /// Whether what no rule speaks of is allowed; never what is about tokens, and what is done with all there
    /// is.
    pub allows_by_default: bool,
    /// The number of the change that made the first token that may do everything; 0 before that.
    pub bootstrapped: u64,
    /// The tokens by accessor id.
    pub tokens: BTreeMap<AclId, Arc<AclToken>>,
    /// The policies by id.
    pub policies: BTreeMap<AclId, Arc<AclPolicy>>,
    /// The roles by id.
    pub roles: BTreeMap<AclId, Arc<AclRole>>,
    /// The auth methods by name.
    pub methods: BTreeMap<AclId, Arc<AclMethod>>,
    /// The binding rules by id.
    pub bindings: BTreeMap<AclId, Arc<AclBinding>>,
    /// Whose a hash of a secret is. Made of the tokens.
    pub(super) secrets: BTreeMap<Secret, AclId>,
}

impl Default for Acl {
    fn default() -> Self {
        let policy = |id: &str, name: &str, description: &str, text: &str| {
            let policy = AclPolicy {
                name: name.into(),
                description: description.into(),
                text: text.into(),
                rules: Arc::new(Rules::parse(text).unwrap_or_default()),
                create_index: 1,
                modify_index: 1,
                ..AclPolicy::default()
            };
            (AclId::from(id), Arc::new(policy))
        };
        let everything = "A policy that is always there, and gives everything";
        let seen = "A policy that is always there, and shows everything";
        let policies = [
            policy(GLOBAL_MANAGEMENT, "global-management", everything, MANAGEMENT_RULES),
            policy(GLOBAL_READ_ONLY, "builtin/global-read-only", seen, READ_ONLY_RULES),
        ];
        let anonymous = AclToken {
            description: "Anonymous Token".into(),
            create_index: 1,
            modify_index: 1,
            ..AclToken::default()
        };
        Self {
            enabled: false,
            allows_by_default: false,
            bootstrapped: 0,
            tokens: BTreeMap::from([(ANONYMOUS_TOKEN.into(), Arc::new(anonymous))]),
            policies: policies.into(),
            roles: BTreeMap::new(),
            methods: BTreeMap::new(),
            bindings: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl Acl {
    /// Whether a policy is always there, and the same.
    #[must_use]
    pub fn is_builtin(id: &str) -> bool {
        id == GLOBAL_MANAGEMENT || id == GLOBAL_READ_ONLY
    }

    /// The token that has a secret of this hash.
    #[must_use]
    pub fn token_of(&self, secret: &Secret) -> Option<&AclId> {
        if secret.0.is_empty() { None } else { self.secrets.get(secret) }
    }

    /// When the first token ends that does so after a time; both in milliseconds since 1970. None does while
    /// nothing is enforced.
    #[must_use]
    pub fn next_end(&self, after_ms: u64) -> Option<u64> {
        let ends = self.tokens.values().map(|token| token.expires_ms);
        ends.filter(|ends| self.enabled && *ends > after_ms).min()
    }

    /// The policy of a name.
    #[must_use]
    pub fn policy_named(&self, name: &str) -> Option<&AclId> {
        self.policies.iter().find(|(_, it)| &*it.name == name).map(|(id, _)| id)
    }

    /// The role of a name.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<&AclId> {
        self.roles.iter().find(|(_, it)| &*it.name == name).map(|(id, _)| id)
    }

    pub(crate) fn put_token(&mut self, id: AclId, token: AclToken) {
        self.remove_token(&id);
        if !token.secret.0.is_empty() {
            self.secrets.insert(token.secret.clone(), AclId::clone(&id));
        }
        self.tokens.insert(id, Arc::new(token));
    }

    pub(super) fn remove_token(&mut self, id: &str) -> bool {
        let Some(token) = self.tokens.remove(id) else { return false };
        self.secrets.remove(&token.secret);
        true
    }
}
