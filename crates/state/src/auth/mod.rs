//! Users, roles and what they may do (etcd's `Auth`), and Consul's tokens and policies: kept with the meta
//! region's directory, and so known to every node. Pure: passwords come hashed, keys come drawn.

pub mod acl;
mod apply;
mod authorize;
mod command;
mod cover;
mod limited;
mod model;

#[cfg(test)]
mod tests;

pub use authorize::{Area, Demand, Principal};
pub use command::AuthCommand;
pub(crate) use limited::{leases_of, may_be_limited};
pub use model::{Auth, KeptSecret, Permission, PermissionKind, ROOT, Role, Secret, User};
