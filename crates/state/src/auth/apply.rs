//! Changing users and roles. The rules and the order of the errors are those of etcd's `authStore`.

use std::collections::BTreeSet;

use types::{Code, Fault, KeyRange, limits};

use super::acl::AclChange;
use super::{Auth, AuthCommand, Permission, ROOT, Role, Secret, User};

type Changed = Result<Change, Fault>;

/// Which records another command left behind.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Change {
    /// Whether anything is another thing now.
    pub(crate) any: bool,
    /// The users to write, or to remove if they are gone.
    pub(crate) users: BTreeSet<String>,
    /// The roles, likewise.
    pub(crate) roles: BTreeSet<String>,
    /// Of the ACL.
    pub(crate) acl: AclChange,
}

impl Change {
    fn nothing() -> Self {
        Self::default()
    }

    fn switch() -> Self {
        Self { any: true, ..Self::default() }
    }

    fn user(name: &str) -> Self {
        Self { users: BTreeSet::from([name.to_owned()]), ..Self::switch() }
    }

    fn role(name: &str) -> Self {
        Self { roles: BTreeSet::from([name.to_owned()]), ..Self::switch() }
    }
}

impl Auth {
    /// Carries out a command.
    ///
    /// # Errors
    /// etcd's; nothing was changed then.
    pub(crate) fn apply(&mut self, command: &AuthCommand) -> Changed {
        if let AuthCommand::Acl(command) = command {
            let acl = self.acl.apply(command, self.changes + 1)?;
            self.changes += u64::from(acl.any);
            return Ok(Change { any: acl.any, acl, ..Change::default() });
        }
        // What sets a password stands for the revision it makes. Switching on makes none (etcd).
        let enables = matches!(command, AuthCommand::Enable { .. });
        let next = self.revision + u64::from(!enables);
        let change = match command {
            AuthCommand::Enable { key } => self.enable(key),
            AuthCommand::Disable => self.disable(),
            AuthCommand::AddUser { name, password } => self.add_user(name, password.clone(), next),
            AuthCommand::DeleteUser { name } => self.delete_user(name),
            AuthCommand::SetPassword { name, password } => self.set_password(name, password, next),
            AuthCommand::GrantRole { user, role } => self.grant_role(user, role),
            AuthCommand::RevokeRole { user, role } => self.revoke_role(user, role),
            AuthCommand::AddRole { name } => self.add_role(name),
            AuthCommand::DeleteRole { name } => self.delete_role(name),
            AuthCommand::GrantPermission { role, permission } => {
                self.grant_permission(role, permission)
            }
            AuthCommand::RevokePermission { role, keyspace, range } => {
                let role_of = self.roles.get_mut(role).ok_or(Code::RoleNotFound)?;
                let at = role_of.find(*keyspace, range).map_err(|_| Code::PermissionNotGranted)?;
                role_of.permissions.remove(at);
                Ok(Change::role(role))
            }
            AuthCommand::Acl(_) => Ok(Change::nothing()),
        }?;
        if change.any {
            self.revision = next;
            self.changes += 1;
        }
        Ok(change)
    }

    fn enable(&mut self, key: &Secret) -> Changed {
        if self.enabled {
            return Ok(Change::nothing());
        }
        let root = self.users.get(ROOT).ok_or(Code::RootUserMissing)?;
        if !root.is_root() {
            return Err(Code::RootRoleMissing.into());
        }
        self.enabled = true;
        self.key = key.clone();
        Ok(Change::switch())
    }

    fn disable(&mut self) -> Changed {
        if !self.enabled {
            return Ok(Change::nothing());
        }
        self.enabled = false;
        self.key = Secret::default();
        Ok(Change::switch())
    }

    fn add_user(&mut self, name: &str, password: Option<Secret>, since: u64) -> Changed {
        if name.is_empty() {
            return Err(Code::UserEmpty.into());
        }
        if self.users.contains_key(name) {
            return Err(Code::UserExists.into());
        }
        bounded(self.users.len(), limits::AUTH_USERS, "users in a cluster")?;
        self.users.insert(name.to_owned(), User { password, roles: BTreeSet::new(), since });
        Ok(Change::user(name))
    }

    fn delete_user(&mut self, name: &str) -> Changed {
        if self.enabled && name == ROOT {
            return Err(Code::InvalidAuthManagement.into());
        }
        self.users.remove(name).ok_or(Code::UserNotFound)?;
        Ok(Change::user(name))
    }

    fn set_password(&mut self, name: &str, password: &Secret, since: u64) -> Changed {
        let user = self.users.get_mut(name).ok_or(Code::UserNotFound)?;
        if user.password.is_some() {
            user.password = Some(password.clone());
        }
        user.since = since;
        Ok(Change::user(name))
    }

    fn grant_role(&mut self, name: &str, role: &str) -> Changed {
        let user = self.users.get_mut(name).ok_or(Code::UserNotFound)?;
        // The role `root` need not exist.
        if role != ROOT && !self.roles.contains_key(role) {
            return Err(Code::RoleNotFound.into());
        }
        if user.roles.contains(role) {
            return Ok(Change::nothing());
        }
        bounded(user.roles.len(), limits::AUTH_USER_ROLES, "roles of a user")?;
        user.roles.insert(role.to_owned());
        Ok(Change::user(name))
    }

    fn revoke_role(&mut self, name: &str, role: &str) -> Changed {
        if self.enabled && name == ROOT && role == ROOT {
            return Err(Code::InvalidAuthManagement.into());
        }
        let user = self.users.get_mut(name).ok_or(Code::UserNotFound)?;
        if !user.roles.remove(role) {
            return Err(Code::RoleNotGranted.into());
        }
        Ok(Change::user(name))
    }

    fn add_role(&mut self, name: &str) -> Changed {
        if name.is_empty() {
            return Err(Code::RoleEmpty.into());
        }
        if self.roles.contains_key(name) {
            return Err(Code::RoleExists.into());
        }
        bounded(self.roles.len(), limits::AUTH_ROLES, "roles in a cluster")?;
        self.roles.insert(name.to_owned(), Role::default());
        Ok(Change::role(name))
    }

    fn delete_role(&mut self, name: &str) -> Changed {
        if self.enabled && name == ROOT {
            return Err(Code::InvalidAuthManagement.into());
        }
        self.roles.remove(name).ok_or(Code::RoleNotFound)?;
        let mut change = Change::role(name);
        for (user, record) in &mut self.users {
            if record.roles.remove(name) {
                change.users.insert(user.clone());
            }
        }
        Ok(change)
    }

    fn grant_permission(&mut self, name: &str, permission: &Permission) -> Changed {
        if !is_valid(&permission.range) {
            return Err(Code::InvalidAuthManagement.into());
        }
        let all: usize = self.roles.values().map(Role::bytes).sum();
        let role = self.roles.get_mut(name).ok_or(Code::RoleNotFound)?;
        match role.find(permission.keyspace, &permission.range) {
            Ok(at) => role.permissions[at] = permission.clone(),
            Err(at) => {
                let (count, more) = (role.permissions.len(), permission.bytes() - 1);
                bounded(count, limits::AUTH_ROLE_PERMISSIONS, "permissions of a role")?;
                let what = "bytes of the permissions of a role";
                bounded(role.bytes() + more, limits::AUTH_ROLE_BYTES, what)?;
                bounded(
                    all + more,
                    limits::AUTH_ROLES_BYTES,
                    "bytes of the permissions of all roles",
                )?;
                role.permissions.insert(at, permission.clone());
            }
        }
        Ok(Change::role(name))
    }
}

/// Whether a permission may be for this range: it has a first key, and at least one key.
fn is_valid(range: &KeyRange) -> bool {
    !range.start.is_empty() && !range.is_empty()
}

fn bounded(count: usize, most: usize, what: &str) -> Result<(), Fault> {
    if count < most {
        return Ok(());
    }
    Err(Fault::new(Code::LimitReached, format!("at most {most} {what}")))
}
