//! Users and roles: commands about them, and their records.

use bytes::Bytes;
use types::KeyspaceId;

use super::acl::{get_acl, put_acl};
use super::primitives::{CodecError, Cursor, Writer};
use super::request::{get_range, put_range};
use crate::auth::{Auth, AuthCommand, Permission, PermissionKind, Role, Secret, User};

const ENABLE: u8 = 1;
const DISABLE: u8 = 2;
const ADD_USER: u8 = 3;
const DELETE_USER: u8 = 4;
const SET_PASSWORD: u8 = 5;
const GRANT_ROLE: u8 = 6;
const REVOKE_ROLE: u8 = 7;
const ADD_ROLE: u8 = 8;
const DELETE_ROLE: u8 = 9;
const GRANT_PERMISSION: u8 = 10;
const REVOKE_PERMISSION: u8 = 11;
const ACL: u8 = 12;

pub(super) fn put_auth(out: &mut Writer, command: &AuthCommand) {
    let named = |out: &mut Writer, tag, name: &str| {
        out.byte(tag);
        out.bytes(name.as_bytes());
    };
    match command {
        AuthCommand::Enable { key } => {
            out.byte(ENABLE);
            out.bytes(&key.0);
        }
        AuthCommand::Disable => out.byte(DISABLE),
        AuthCommand::AddUser { name, password } => {
            named(out, ADD_USER, name);
            put_password(out, password.as_ref());
        }
        AuthCommand::DeleteUser { name } => named(out, DELETE_USER, name),
        AuthCommand::SetPassword { name, password } => {
            named(out, SET_PASSWORD, name);
            out.bytes(&password.0);
        }
        AuthCommand::GrantRole { user, role } => {
            named(out, GRANT_ROLE, user);
            out.bytes(role.as_bytes());
        }
        AuthCommand::RevokeRole { user, role } => {
            named(out, REVOKE_ROLE, user);
            out.bytes(role.as_bytes());
        }
        AuthCommand::AddRole { name } => named(out, ADD_ROLE, name),
        AuthCommand::DeleteRole { name } => named(out, DELETE_ROLE, name),
        AuthCommand::GrantPermission { role, permission } => {
            named(out, GRANT_PERMISSION, role);
            put_permission(out, permission);
        }
        AuthCommand::RevokePermission { role, keyspace, range } => {
            named(out, REVOKE_PERMISSION, role);
            out.number(u64::from(keyspace.get()));
            put_range(out, range);
        }
        AuthCommand::Acl(command) => {
            out.byte(ACL);
            put_acl(out, command);
        }
    }
}

pub(super) fn get_auth(from: &mut Cursor) -> Result<AuthCommand, CodecError> {
    Ok(match from.byte()? {
        ENABLE => AuthCommand::Enable { key: Secret(own(from.bytes()?)) },
        DISABLE => AuthCommand::Disable,
        ADD_USER => AuthCommand::AddUser { name: from.text()?, password: get_password(from)? },
        DELETE_USER => AuthCommand::DeleteUser { name: from.text()? },
        SET_PASSWORD => {
            AuthCommand::SetPassword { name: from.text()?, password: Secret(own(from.bytes()?)) }
        }
        GRANT_ROLE => AuthCommand::GrantRole { user: from.text()?, role: from.text()? },
        REVOKE_ROLE => AuthCommand::RevokeRole { user: from.text()?, role: from.text()? },
        ADD_ROLE => AuthCommand::AddRole { name: from.text()? },
        DELETE_ROLE => AuthCommand::DeleteRole { name: from.text()? },
        GRANT_PERMISSION => {
            AuthCommand::GrantPermission { role: from.text()?, permission: get_permission(from)? }
        }
        REVOKE_PERMISSION => AuthCommand::RevokePermission {
            role: from.text()?,
            keyspace: KeyspaceId(from.small()?),
            range: get_range(from)?,
        },
        ACL => AuthCommand::Acl(Box::new(get_acl(from)?)),
        _ => return Err(from.error("an unknown change of users and roles")),
    })
}

fn put_password(out: &mut Writer, password: Option<&Secret>) {
    out.flag(password.is_some());
    if let Some(password) = password {
        out.bytes(&password.0);
    }
}

fn get_password(from: &mut Cursor) -> Result<Option<Secret>, CodecError> {
    Ok(if from.flag()? { Some(Secret(own(from.bytes()?))) } else { None })
}

/// A copy: what is kept must not keep a whole log entry alive.
fn own(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

fn put_permission(out: &mut Writer, permission: &Permission) {
    out.number(u64::from(permission.keyspace.get()));
    out.byte(permission.kind as u8);
    put_range(out, &permission.range);
}

fn get_permission(from: &mut Cursor) -> Result<Permission, CodecError> {
    let keyspace = KeyspaceId(from.small()?);
    let kind = PermissionKind::from_u8(from.byte()?);
    let kind = kind.ok_or_else(|| from.error("an unknown kind of permission"))?;
    let mut range = get_range(from)?;
    range.start = own(range.start);
    range.end = range.end.map(own);
    Ok(Permission { keyspace, range, kind })
}

/// The record that says whether auth is on.
pub(crate) fn put_switch(auth: &Auth) -> Bytes {
    let mut out = Writer::default();
    out.flag(auth.enabled);
    out.number(auth.revision);
    out.number(auth.changes);
    out.bytes(&auth.key.0);
    out.finish()
}

pub(crate) fn get_switch(from: &mut Cursor, auth: &mut Auth) -> Result<(), CodecError> {
    auth.enabled = from.flag()?;
    auth.revision = from.number()?;
    auth.changes = from.number()?;
    auth.key = Secret(own(from.bytes()?));
    Ok(())
}

/// A user's record.
pub(crate) fn put_user(name: &str, user: &User) -> Bytes {
    let mut out = Writer::default();
    out.bytes(name.as_bytes());
    put_password(&mut out, user.password.as_ref());
    out.number(user.since);
    out.number(user.roles.len() as u64);
    for role in &user.roles {
        out.bytes(role.as_bytes());
    }
    out.finish()
}

pub(crate) fn get_user(from: &mut Cursor) -> Result<(String, User), CodecError> {
    let name = from.text()?;
    let password = get_password(from)?;
    let since = from.number()?;
    let roles = from.list(Cursor::text)?.into_iter().collect();
    Ok((name, User { password, roles, since }))
}

/// A role's record.
pub(crate) fn put_role(name: &str, role: &Role) -> Bytes {
    let mut out = Writer::default();
    out.bytes(name.as_bytes());
    out.number(role.permissions.len() as u64);
    for permission in &role.permissions {
        put_permission(&mut out, permission);
    }
    out.finish()
}

pub(crate) fn get_role(from: &mut Cursor) -> Result<(String, Role), CodecError> {
    let name = from.text()?;
    let permissions = from.list(get_permission)?;
    Ok((name, Role { permissions }))
}
