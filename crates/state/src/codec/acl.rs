//! Consul's tokens, policies and roles: commands about them, and their records.

use std::sync::Arc;

use bytes::Bytes;

use super::methods::{get_binding, get_method, put_binding, put_method};
use super::primitives::{CodecError, Cursor, Writer};
use crate::auth::Secret;
use crate::auth::acl::{
    Acl, AclCommand, AclId, AclPolicy, AclRole, AclToken, Identity, IdentityKind, Rules,
};

const ENABLE: u8 = 1;
const DISABLE: u8 = 2;
const BOOTSTRAP: u8 = 3;
const ENSURE_MANAGEMENT: u8 = 4;
const SET_TOKEN: u8 = 5;
const DELETE_TOKEN: u8 = 6;
const SET_POLICY: u8 = 7;
const DELETE_POLICY: u8 = 8;
const SET_ROLE: u8 = 9;
const DELETE_ROLE: u8 = 10;
// As those above, with what came with `level::ACL_METHODS`.
const BOOTSTRAP_KEPT: u8 = 11;
const ENSURE_MANAGEMENT_KEPT: u8 = 12;
const SET_TOKEN_MORE: u8 = 13;
const SET_METHOD: u8 = 14;
const DELETE_METHOD: u8 = 15;
const SET_BINDING: u8 = 16;
const DELETE_BINDING: u8 = 17;
const LOG_IN: u8 = 18;

pub(super) fn put_acl(out: &mut Writer, command: &AclCommand) {
    let of = |out: &mut Writer, tag, id: &AclId| {
        out.byte(tag);
        out.bytes(id.as_bytes());
    };
    match command {
        AclCommand::Enable { allows_by_default } => {
            out.byte(ENABLE);
            out.flag(*allows_by_default);
        }
        AclCommand::Disable => out.byte(DISABLE),
        AclCommand::Bootstrap { id, secret, kept, reset, now_ms } => {
            of(out, if kept.is_empty() { BOOTSTRAP } else { BOOTSTRAP_KEPT }, id);
            put_secret(out, secret, kept);
            out.number(*reset);
            out.number(*now_ms);
        }
        AclCommand::EnsureManagement { id, secret, kept, now_ms } => {
            of(out, if kept.is_empty() { ENSURE_MANAGEMENT } else { ENSURE_MANAGEMENT_KEPT }, id);
            put_secret(out, secret, kept);
            out.number(*now_ms);
        }
        AclCommand::SetToken { id, token, new, now_ms } => {
            of(out, if token.is_more() { SET_TOKEN_MORE } else { SET_TOKEN }, id);
            put_token(out, token);
            out.flag(*new);
            out.number(*now_ms);
        }
        AclCommand::DeleteToken { id } => of(out, DELETE_TOKEN, id),
        AclCommand::SetPolicy { id, policy, new } => {
            of(out, SET_POLICY, id);
            put_policy(out, policy);
            out.flag(*new);
        }
        AclCommand::DeletePolicy { id } => of(out, DELETE_POLICY, id),
        AclCommand::SetRole { id, role, new } => {
            of(out, SET_ROLE, id);
            put_role(out, role);
            out.flag(*new);
        }
        AclCommand::DeleteRole { id } => of(out, DELETE_ROLE, id),
        AclCommand::SetMethod { id, method } => {
            of(out, SET_METHOD, id);
            put_method(out, method);
        }
        AclCommand::DeleteMethod { id } => of(out, DELETE_METHOD, id),
        AclCommand::SetBinding { id, binding, new } => {
            of(out, SET_BINDING, id);
            put_binding(out, binding);
            out.flag(*new);
        }
        AclCommand::DeleteBinding { id } => of(out, DELETE_BINDING, id),
        AclCommand::LogIn { id, token, made, now_ms } => {
            of(out, LOG_IN, id);
            put_token_with(out, token, true);
            out.number(*made);
            out.number(*now_ms);
        }
    }
}

pub(super) fn get_acl(from: &mut Cursor) -> Result<AclCommand, CodecError> {
    let tag = from.byte()?;
    Ok(match tag {
        ENABLE => AclCommand::Enable { allows_by_default: from.flag()? },
        DISABLE => AclCommand::Disable,
        BOOTSTRAP | BOOTSTRAP_KEPT => AclCommand::Bootstrap {
            id: get_id(from)?,
            secret: get_secret(from)?,
            kept: get_name_if(from, tag == BOOTSTRAP_KEPT)?.into(),
            reset: from.number()?,
            now_ms: from.number()?,
        },
        ENSURE_MANAGEMENT | ENSURE_MANAGEMENT_KEPT => AclCommand::EnsureManagement {
            id: get_id(from)?,
            secret: get_secret(from)?,
            kept: get_name_if(from, tag == ENSURE_MANAGEMENT_KEPT)?.into(),
            now_ms: from.number()?,
        },
        SET_TOKEN | SET_TOKEN_MORE => AclCommand::SetToken {
            id: get_id(from)?,
            token: get_token(from, |_| tag == SET_TOKEN_MORE)?,
            new: from.flag()?,
            now_ms: from.number()?,
        },
        DELETE_TOKEN => AclCommand::DeleteToken { id: get_id(from)? },
        SET_POLICY => AclCommand::SetPolicy {
            id: get_id(from)?,
            policy: get_policy(from)?,
            new: from.flag()?,
        },
        DELETE_POLICY => AclCommand::DeletePolicy { id: get_id(from)? },
        SET_ROLE => {
            AclCommand::SetRole { id: get_id(from)?, role: get_role(from)?, new: from.flag()? }
        }
        DELETE_ROLE => AclCommand::DeleteRole { id: get_id(from)? },
        SET_METHOD => AclCommand::SetMethod { id: get_id(from)?, method: get_method(from)? },
        DELETE_METHOD => AclCommand::DeleteMethod { id: get_id(from)? },
        SET_BINDING => AclCommand::SetBinding {
            id: get_id(from)?,
            binding: get_binding(from)?,
            new: from.flag()?,
        },
        DELETE_BINDING => AclCommand::DeleteBinding { id: get_id(from)? },
        LOG_IN => AclCommand::LogIn {
            id: get_id(from)?,
            token: get_token(from, |_| true)?,
            made: from.number()?,
            now_ms: from.number()?,
        },
        _ => return Err(from.error("an unknown change of the ACL")),
    })
}

pub(super) fn get_id(from: &mut Cursor) -> Result<AclId, CodecError> {
    Ok(from.text()?.into())
}

pub(super) fn get_name(from: &mut Cursor) -> Result<Box<str>, CodecError> {
    Ok(from.text()?.into())
}

fn get_name_if(from: &mut Cursor, is_there: bool) -> Result<Box<str>, CodecError> {
    if is_there { get_name(from) } else { Ok(Box::default()) }
}

fn put_secret(out: &mut Writer, secret: &Secret, kept: &str) {
    out.bytes(&secret.0);
    if !kept.is_empty() {
        out.bytes(kept.as_bytes());
    }
}

/// A copy: what is kept must not keep a whole log entry alive.
fn get_secret(from: &mut Cursor) -> Result<Secret, CodecError> {
    Ok(Secret(Bytes::copy_from_slice(&from.bytes()?)))
}

fn put_texts<T: AsRef<str>>(out: &mut Writer, texts: &[T]) {
    out.number(texts.len() as u64);
    for text in texts {
        out.bytes(text.as_ref().as_bytes());
    }
}

fn put_identities(out: &mut Writer, identities: &[Identity]) {
    out.number(identities.len() as u64);
    for identity in identities {
        out.byte(identity.kind as u8);
        out.bytes(identity.name.as_bytes());
        put_texts(out, &identity.datacenters);
    }
}

fn get_identity(from: &mut Cursor) -> Result<Identity, CodecError> {
    let number = usize::from(from.byte()?);
    let kind = IdentityKind::ALL.get(number).copied();
    let kind = kind.ok_or_else(|| from.error("an unknown kind of identity"))?;
    Ok(Identity { kind, name: get_name(from)?, datacenters: from.list(get_name)? })
}

fn put_token(out: &mut Writer, token: &AclToken) {
    put_token_with(out, token, token.is_more());
}

/// `more` says whether the fields follow that tokens had not in the beginning.
fn put_token_with(out: &mut Writer, token: &AclToken, more: bool) {
    out.bytes(&token.secret.0);
    out.bytes(token.description.as_bytes());
    put_texts(out, &token.policies);
    put_texts(out, &token.roles);
    put_identities(out, &token.identities);
    out.flag(token.local);
    for number in [token.created_ms, token.expires_ms, token.create_index, token.modify_index] {
        out.number(number);
    }
    if more {
        out.bytes(token.kept.as_bytes());
        out.bytes(token.auth_method.as_bytes());
    }
}

/// `has_more` looks whether the fields follow that tokens had not in the beginning.
fn get_token(
    from: &mut Cursor,
    has_more: impl FnOnce(&Cursor) -> bool,
) -> Result<AclToken, CodecError> {
    let mut token = AclToken {
        secret: get_secret(from)?,
        description: get_name(from)?,
        policies: from.list(get_id)?,
        roles: from.list(get_id)?,
        identities: from.list(get_identity)?,
        local: from.flag()?,
        created_ms: from.number()?,
        expires_ms: from.number()?,
        create_index: from.number()?,
        modify_index: from.number()?,
        ..AclToken::default()
    };
    if has_more(from) {
        token.kept = get_name(from)?.into();
        token.auth_method = get_name(from)?;
    }
    Ok(token)
}

fn put_policy(out: &mut Writer, policy: &AclPolicy) {
    out.bytes(policy.name.as_bytes());
    out.bytes(policy.description.as_bytes());
    out.bytes(policy.text.as_bytes());
    put_texts(out, &policy.datacenters);
    out.number(policy.create_index);
    out.number(policy.modify_index);
}

/// The rules are read when it is carried out, or loaded.
fn get_policy(from: &mut Cursor) -> Result<AclPolicy, CodecError> {
    Ok(AclPolicy {
        name: get_name(from)?,
        description: get_name(from)?,
        text: get_name(from)?,
        rules: Arc::default(),
        datacenters: from.list(get_name)?,
        create_index: from.number()?,
        modify_index: from.number()?,
    })
}

fn put_role(out: &mut Writer, role: &AclRole) {
    out.bytes(role.name.as_bytes());
    out.bytes(role.description.as_bytes());
    put_texts(out, &role.policies);
    put_identities(out, &role.identities);
    out.number(role.create_index);
    out.number(role.modify_index);
}

fn get_role(from: &mut Cursor) -> Result<AclRole, CodecError> {
    Ok(AclRole {
        name: get_name(from)?,
        description: get_name(from)?,
        policies: from.list(get_id)?,
        identities: from.list(get_identity)?,
        create_index: from.number()?,
        modify_index: from.number()?,
    })
}

/// The record that says whether the ACL is on.
pub(crate) fn put_acl_switch(acl: &Acl) -> Bytes {
    let mut out = Writer::default();
    out.flag(acl.enabled);
    out.flag(acl.allows_by_default);
    out.number(acl.bootstrapped);
    out.finish()
}

pub(crate) fn get_acl_switch(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    acl.enabled = from.flag()?;
    acl.allows_by_default = from.flag()?;
    acl.bootstrapped = from.number()?;
    Ok(())
}

/// A record of something that has an id.
pub(super) fn record(id: &AclId, put: impl FnOnce(&mut Writer)) -> Bytes {
    let mut out = Writer::default();
    out.bytes(id.as_bytes());
    put(&mut out);
    out.finish()
}

/// A token's record.
pub(crate) fn put_acl_token(id: &AclId, token: &AclToken) -> Bytes {
    record(id, |out| put_token(out, token))
}

pub(crate) fn get_acl_token(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    let id = get_id(from)?;
    acl.put_token(id, get_token(from, |rest| !rest.is_empty())?);
    Ok(())
}

/// A policy's record.
pub(crate) fn put_acl_policy(id: &AclId, policy: &AclPolicy) -> Bytes {
    record(id, |out| put_policy(out, policy))
}

pub(crate) fn get_acl_policy(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    let (id, mut policy) = (get_id(from)?, get_policy(from)?);
    let rules = Rules::parse(&policy.text);
    policy.rules = Arc::new(rules.map_err(|_| from.error("rules that cannot be read"))?);
    acl.policies.insert(id, Arc::new(policy));
    Ok(())
}

/// A role's record.
pub(crate) fn put_acl_role(id: &AclId, role: &AclRole) -> Bytes {
    record(id, |out| put_role(out, role))
}

pub(crate) fn get_acl_role(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    let id = get_id(from)?;
    acl.roles.insert(id, Arc::new(get_role(from)?));
    Ok(())
}
