//! `/v1/acl`: tokens, policies, roles, and how clients log in. What they mean is said in `state::auth::acl`;
//! here are Consul's words for them. Secrets are told to who makes them and to who brings them, and to nobody
//! else: what is kept is a hash. A node may be told to keep them themselves; then who may change tokens is
//! shown them.

mod ask;
mod binding;
mod links;
mod login;
mod method;
mod other;
mod policy;
mod role;
mod show;
mod template;
mod time;
mod token;
mod write;

pub(super) use binding::{binding, bindings, create_binding, delete_binding, update_binding};
pub(super) use login::{KeySets, login, logout};
pub(super) use method::{create_method, delete_method, method, methods, update_method};
pub(super) use other::{agent_token, authorize, bootstrap, not_here};
pub(super) use policy::{
    create_policy, delete_policy, policies, policy, policy_named, update_policy,
};
pub(super) use role::{create_role, delete_role, role, role_named, roles, update_role};
pub(super) use template::{preview, template, templates};
pub(super) use token::{create_token, delete_token, token, tokens, update_token};
