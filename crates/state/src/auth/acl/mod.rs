//! Consul's ACL: tokens, policies, roles, ways to log in, and rules in Consul's language, beside etcd's users
//! and under the same guarantees. Pure: secrets come hashed, ids come drawn, times come told.

mod apply;
mod authorizer;
mod command;
mod method;
mod methods;
mod model;
mod registry;
mod resource;
mod rules;
mod template;
mod view;

#[cfg(test)]
mod methods_tests;
#[cfg(test)]
mod tests;

pub(crate) use apply::AclChange;
pub use authorizer::Authorizer;
pub use command::AclCommand;
pub use method::{AclBinding, AclMethod, BindKind};
pub use model::{
    ANONYMOUS_TOKEN, Acl, AclId, AclPolicy, AclRole, AclToken, GLOBAL_MANAGEMENT, Identity,
    IdentityKind, MANAGEMENT_RULES,
};
pub use registry::needs_registry;
pub use resource::{Access, Resource};
pub use rules::{Rules, RulesError};
pub use template::{TEMPLATES, Template};
pub use view::View;
