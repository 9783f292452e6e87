//! Consul's auth methods and binding rules: as commands carry them, and their records.

use std::sync::Arc;

use bytes::Bytes;

use super::acl::{get_id, get_name, record};
use super::primitives::{CodecError, Cursor, Writer};
use crate::auth::acl::{Acl, AclBinding, AclId, AclMethod, BindKind};

pub(super) fn put_method(out: &mut Writer, method: &AclMethod) {
    let AclMethod { kind, display_name, description, name_format, config, .. } = method;
    for text in [kind, display_name, description, name_format, config] {
        out.bytes(text.as_bytes());
    }
    out.flag(method.local);
    for number in [method.max_ttl_ms, method.create_index, method.modify_index] {
        out.number(number);
    }
}

pub(super) fn get_method(from: &mut Cursor) -> Result<AclMethod, CodecError> {
    Ok(AclMethod {
        kind: get_name(from)?,
        display_name: get_name(from)?,
        description: get_name(from)?,
        name_format: get_name(from)?,
        config: get_name(from)?,
        local: from.flag()?,
        max_ttl_ms: from.number()?,
        create_index: from.number()?,
        modify_index: from.number()?,
    })
}

pub(super) fn put_binding(out: &mut Writer, binding: &AclBinding) {
    out.bytes(binding.method.as_bytes());
    out.byte(binding.kind as u8);
    for text in [&binding.description, &binding.selector, &binding.name] {
        out.bytes(text.as_bytes());
    }
    out.number(binding.variables.len() as u64);
    for (name, value) in &binding.variables {
        out.bytes(name.as_bytes());
        out.bytes(value.as_bytes());
    }
    out.number(binding.create_index);
    out.number(binding.modify_index);
}

pub(super) fn get_binding(from: &mut Cursor) -> Result<AclBinding, CodecError> {
    let (method, kind) = (get_id(from)?, from.byte()?);
    let kind = BindKind::numbered(kind).ok_or_else(|| from.error("an unknown kind of binding"))?;
    Ok(AclBinding {
        method,
        kind,
        description: get_name(from)?,
        selector: get_name(from)?,
        name: get_name(from)?,
        variables: from.list(|from| Ok((get_name(from)?, get_name(from)?)))?,
        create_index: from.number()?,
        modify_index: from.number()?,
    })
}

/// A method's record.
pub(crate) fn put_acl_method(id: &AclId, method: &AclMethod) -> Bytes {
    record(id, |out| put_method(out, method))
}

pub(crate) fn get_acl_method(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    let id = get_id(from)?;
    acl.methods.insert(id, Arc::new(get_method(from)?));
    Ok(())
}

/// A rule's record.
pub(crate) fn put_acl_binding(id: &AclId, binding: &AclBinding) -> Bytes {
    record(id, |out| put_binding(out, binding))
}

pub(crate) fn get_acl_binding(from: &mut Cursor, acl: &mut Acl) -> Result<(), CodecError> {
    let id = get_id(from)?;
    acl.bindings.insert(id, Arc::new(get_binding(from)?));
    Ok(())
}
