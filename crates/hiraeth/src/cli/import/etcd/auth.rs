//! etcd's users and roles.

use node::state::auth::{Auth, Permission, PermissionKind, Role, Secret, User};
use prost::Message;
use proto::authpb;
use types::{KeyRange, KeyspaceId};

use super::super::bolt::{Bolt, Error};
use super::contents::{number, own, strange};

/// The first byte of a hash that etcd made: bcrypt's own text is behind it.
const BCRYPT: u8 = 2;

/// What is known of users and roles, all of them of one keyspace. `key` is what tokens are sealed with, if
/// auth is on.
pub(super) fn read(bolt: &Bolt, keyspace: KeyspaceId, key: Secret) -> Result<Auth, Error> {
    let mut auth = Auth::default();
    bolt.entries("auth", &mut |name, value| {
        match name {
            b"authEnabled" => auth.enabled = value == [1],
            b"authRevision" => auth.revision = number(value).unwrap_or(1).max(1),
            _ => {}
        }
        Ok(())
    })?;
    bolt.entries("authRoles", &mut |_, value| {
        let role = authpb::Role::decode(value).map_err(|_| strange("a role"))?;
        let name = String::from_utf8(role.name.to_vec()).map_err(|_| strange("a role's name"))?;
        let permissions = role.key_permission.iter().map(|it| permission(keyspace, it));
        let mut permissions = permissions.collect::<Result<Vec<_>, _>>()?;
        permissions.sort_by_key(|it| {
            (it.range.start.clone(), it.range.end.is_none(), it.range.end.clone())
        });
        permissions.dedup_by(|a, b| a.range == b.range);
        auth.roles.insert(name, Role { permissions });
        Ok(())
    })?;
    let since = auth.revision;
    bolt.entries("authUsers", &mut |_, value| {
        let user = authpb::User::decode(value).map_err(|_| strange("a user"))?;
        let name = String::from_utf8(user.name.to_vec()).map_err(|_| strange("a user's name"))?;
        let none = user.options.is_some_and(|options| options.no_password);
        let password = [&[BCRYPT], user.password.as_ref()].concat();
        let password = (!none).then(|| Secret(own(&password)));
        let roles = user.roles.into_iter().collect();
        auth.users.insert(name, User { password, roles, since });
        Ok(())
    })?;
    if auth.enabled {
        auth.key = key;
    }
    auth.changes = 1;
    Ok(auth)
}

fn permission(keyspace: KeyspaceId, it: &authpb::Permission) -> Result<Permission, Error> {
    let kind = u8::try_from(it.perm_type).ok().and_then(PermissionKind::from_u8);
    let kind = kind.ok_or_else(|| strange("a permission"))?;
    let range = KeyRange::from_etcd(&it.key, &it.range_end);
    Ok(Permission { keyspace, range, kind })
}
