//! Users, roles and what they may do (etcd's `Auth`): kept with the meta region's directory, and so
//! known to every node. Pure: passwords come hashed, keys come drawn.

mod apply;
mod authorize;
mod command;
mod cover;
mod limited;
mod model;

#[cfg(test)]
mod tests;

pub use authorize::{Demand, Principal};
pub use command::AuthCommand;
pub(crate) use limited::{leases_of, may_be_limited};
pub use model::{Auth, Permission, PermissionKind, ROOT, Role, Secret, User};
