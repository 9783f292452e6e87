//! Nodes, instances, checks, sessions: in the engine, and in commands.

use std::sync::Arc;

use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::name::{Name, TimerId};
use crate::registry::record::{
    Behavior, Check, Definition, Instance, Node, Pairs, Session, Status, TaggedAddress, Weights,
};

pub(crate) fn put_name(out: &mut Writer, name: &str) {
    out.bytes(name.as_bytes());
}

pub(crate) fn get_name(from: &mut Cursor) -> Result<Name, CodecError> {
    match core::str::from_utf8(from.borrowed()?) {
        // All empty ones share one place.
        Ok("") => Ok(Name::default()),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(from.error("text that is not UTF-8")),
    }
}

/// A copy: the bytes that come are a slice of a whole log entry or table, which would stay with it.
fn get_opaque(from: &mut Cursor) -> Result<Box<[u8]>, CodecError> {
    Ok(from.borrowed()?.into())
}

pub(crate) fn put_names(out: &mut Writer, names: &[Name]) {
    out.number(names.len() as u64);
    for name in names {
        put_name(out, name);
    }
}

pub(crate) fn get_names(from: &mut Cursor) -> Result<Arc<[Name]>, CodecError> {
    Ok(from.list(get_name)?.into())
}

fn put_pairs(out: &mut Writer, pairs: &[(Name, Name)]) {
    out.number(pairs.len() as u64);
    for (key, value) in pairs {
        put_name(out, key);
        put_name(out, value);
    }
}

fn get_pairs(from: &mut Cursor) -> Result<Pairs, CodecError> {
    Ok(from.list(|from| Ok((get_name(from)?, get_name(from)?)))?.into())
}

pub(crate) fn put_status(out: &mut Writer, status: Status) {
    out.byte(status as u8);
}

pub(crate) fn get_status(from: &mut Cursor) -> Result<Status, CodecError> {
    Status::from_u8(from.byte()?).ok_or_else(|| from.error("an unknown status"))
}

fn get_port(from: &mut Cursor) -> Result<u16, CodecError> {
    u16::try_from(from.number()?).map_err(|_| from.error("a port over 16 bits"))
}

pub(crate) fn put_node(out: &mut Writer, node: &Node) {
    for name in [&node.name, &node.id, &node.address] {
        put_name(out, name);
    }
    put_pairs(out, &node.tagged_addresses);
    put_pairs(out, &node.meta);
    out.revision(node.created);
    out.revision(node.modified);
}

pub(crate) fn get_node(from: &mut Cursor) -> Result<Node, CodecError> {
    Ok(Node {
        name: get_name(from)?,
        id: get_name(from)?,
        address: get_name(from)?,
        tagged_addresses: get_pairs(from)?,
        meta: get_pairs(from)?,
        created: from.revision()?,
        modified: from.revision()?,
    })
}

pub(crate) fn put_instance(out: &mut Writer, instance: &Instance) {
    for name in [&instance.node, &instance.namespace, &instance.id, &instance.service] {
        put_name(out, name);
    }
    put_names(out, &instance.tags);
    put_name(out, &instance.address);
    out.number(u64::from(instance.port));
    put_pairs(out, &instance.meta);
    out.number(u64::from(instance.weights.passing));
    out.number(u64::from(instance.weights.warning));
    out.flag(instance.enable_tag_override);
    out.number(instance.tagged_addresses.len() as u64);
    for tagged in &instance.tagged_addresses {
        put_name(out, &tagged.tag);
        put_name(out, &tagged.address);
        out.number(u64::from(tagged.port));
    }
    put_name(out, &instance.zone);
    out.bytes(&instance.extra);
    out.revision(instance.created);
    out.revision(instance.modified);
}

pub(crate) fn get_instance(from: &mut Cursor) -> Result<Instance, CodecError> {
    Ok(Instance {
        node: get_name(from)?,
        namespace: get_name(from)?,
        id: get_name(from)?,
        service: get_name(from)?,
        tags: get_names(from)?,
        address: get_name(from)?,
        port: get_port(from)?,
        meta: get_pairs(from)?,
        weights: Weights { passing: from.small()?, warning: from.small()? },
        enable_tag_override: from.flag()?,
        tagged_addresses: from.list(get_tagged)?.into(),
        zone: get_name(from)?,
        extra: get_opaque(from)?,
        created: from.revision()?,
        modified: from.revision()?,
    })
}

fn get_tagged(from: &mut Cursor) -> Result<TaggedAddress, CodecError> {
    Ok(TaggedAddress { tag: get_name(from)?, address: get_name(from)?, port: get_port(from)? })
}

pub(crate) fn put_check(out: &mut Writer, check: &Check) {
    for name in [&check.node, &check.namespace, &check.id, &check.instance, &check.name] {
        put_name(out, name);
    }
    put_status(out, check.status);
    for name in [&check.notes, &check.output, &check.kind] {
        put_name(out, name);
    }
    put_definition(out, &check.definition);
    out.number(check.timer.0);
    out.revision(check.created);
    out.revision(check.modified);
}

pub(crate) fn get_check(from: &mut Cursor) -> Result<Check, CodecError> {
    Ok(Check {
        node: get_name(from)?,
        namespace: get_name(from)?,
        id: get_name(from)?,
        instance: get_name(from)?,
        name: get_name(from)?,
        status: get_status(from)?,
        notes: get_name(from)?,
        output: get_name(from)?,
        kind: get_name(from)?,
        definition: get_definition(from)?,
        timer: TimerId(from.number()?),
        created: from.revision()?,
        modified: from.revision()?,
    })
}

fn put_definition(out: &mut Writer, definition: &Definition) {
    out.number(definition.ttl_ms);
    out.number(definition.interval_ms);
    out.number(definition.timeout_ms);
    out.number(definition.deregister_after_ms);
    out.byte(definition.success_before_passing);
    out.byte(definition.failures_before_warning);
    out.byte(definition.failures_before_critical);
    out.bytes(&definition.target);
}

fn get_definition(from: &mut Cursor) -> Result<Definition, CodecError> {
    Ok(Definition {
        ttl_ms: from.number()?,
        interval_ms: from.number()?,
        timeout_ms: from.number()?,
        deregister_after_ms: from.number()?,
        success_before_passing: from.byte()?,
        failures_before_warning: from.byte()?,
        failures_before_critical: from.byte()?,
        target: get_opaque(from)?,
    })
}

pub(crate) fn put_session(out: &mut Writer, session: &Session) {
    for name in [&session.id, &session.name, &session.node] {
        put_name(out, name);
    }
    out.number(session.lock_delay_ms);
    out.byte(session.behavior as u8);
    out.number(session.ttl_ms);
    put_names(out, &session.node_checks);
    put_pairs(out, &session.service_checks);
    out.number(session.timer.0);
    out.revision(session.created);
    out.revision(session.modified);
}

pub(crate) fn get_session(from: &mut Cursor) -> Result<Session, CodecError> {
    Ok(Session {
        id: get_name(from)?,
        name: get_name(from)?,
        node: get_name(from)?,
        lock_delay_ms: from.number()?,
        behavior: match from.byte()? {
            0 => Behavior::Release,
            1 => Behavior::Delete,
            _ => return Err(from.error("an unknown behavior of a session")),
        },
        ttl_ms: from.number()?,
        node_checks: get_names(from)?,
        service_checks: get_pairs(from)?,
        timer: TimerId(from.number()?),
        created: from.revision()?,
        modified: from.revision()?,
    })
}
