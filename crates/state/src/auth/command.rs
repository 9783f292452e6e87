//! Changes of users and roles, as the log carries them.

use types::{KeyRange, KeyspaceId};

use super::acl::AclCommand;
use super::{Permission, Secret};

/// A change of users and roles. Each is refused with etcd's errors; what is refused changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthCommand {
    /// Enforce from now on; a user `root` with the role `root` must exist. Nothing, if it is on.
    Enable {
        /// What tokens will be sealed with, drawn by the node that proposes it.
        key: Secret,
    },
    /// Enforce no more.
    Disable,
    /// Make a user.
    AddUser {
        /// Its name.
        name: String,
        /// The hash of its password; `None` if it can have none.
        password: Option<Secret>,
    },
    /// Remove a user.
    DeleteUser {
        /// Its name.
        name: String,
    },
    /// Give a user another password; one that can have none stays without.
    SetPassword {
        /// Its name.
        name: String,
        /// The hash of the password.
        password: Secret,
    },
    /// Give a user a role. Nothing, if it has it.
    GrantRole {
        /// The user's name.
        user: String,
        /// The role's.
        role: String,
    },
    /// Take a role from a user.
    RevokeRole {
        /// The user's name.
        user: String,
        /// The role's.
        role: String,
    },
    /// Make a role without permissions.
    AddRole {
        /// Its name.
        name: String,
    },
    /// Remove a role, and take it from every user.
    DeleteRole {
        /// Its name.
        name: String,
    },
    /// Add a permission to a role, or change the kind of the one it has for this very range.
    GrantPermission {
        /// The role's name.
        role: String,
        /// The permission.
        permission: Permission,
    },
    /// Take from a role the permission for this very range.
    RevokePermission {
        /// The role's name.
        role: String,
        /// Where.
        keyspace: KeyspaceId,
        /// Which keys.
        range: KeyRange,
    },
    /// Change Consul's tokens, policies and roles.
    Acl(Box<AclCommand>),
}

impl AuthCommand {
    /// What it does and to whom, for the log of a node.
    #[must_use]
    pub fn describe(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Enable { .. } => ("auth enable", "", ""),
            Self::Disable => ("auth disable", "", ""),
            Self::AddUser { name, .. } => ("user add", name, ""),
            Self::DeleteUser { name } => ("user delete", name, ""),
            Self::SetPassword { name, .. } => ("user change password", name, ""),
            Self::GrantRole { user, role } => ("user grant role", user, role),
            Self::RevokeRole { user, role } => ("user revoke role", user, role),
            Self::AddRole { name } => ("role add", "", name),
            Self::DeleteRole { name } => ("role delete", "", name),
            Self::GrantPermission { role, .. } => ("role grant permission", "", role),
            Self::RevokePermission { role, .. } => ("role revoke permission", "", role),
            Self::Acl(command) => {
                let (what, id) = command.describe();
                // By whose word.
                let method = match &**command {
                    AclCommand::LogIn { token, .. } => &*token.auth_method,
                    _ => "",
                };
                (what, id, method)
            }
        }
    }
}
