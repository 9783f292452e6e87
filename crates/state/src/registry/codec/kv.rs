//! What Consul's clients do to keys, inside of commands.

use super::records::{get_name, put_name};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::kv::{KvCondition, KvOp, KvWrite};

pub(super) fn put_kv(out: &mut Writer, write: &KvWrite) {
    out.bytes(&write.key);
    out.bytes(&write.value);
    out.number(write.flags);
    match &write.condition {
        KvCondition::Always => out.byte(0),
        KvCondition::Index(index) => {
            out.byte(1);
            out.number(*index);
        }
        KvCondition::Acquire(session) => {
            out.byte(2);
            put_name(out, session);
        }
        KvCondition::Release(session) => {
            out.byte(3);
            put_name(out, session);
        }
    }
}

pub(super) fn get_kv(from: &mut Cursor) -> Result<KvWrite, CodecError> {
    Ok(KvWrite {
        key: from.bytes()?,
        value: from.bytes()?,
        flags: from.number()?,
        condition: match from.byte()? {
            0 => KvCondition::Always,
            1 => KvCondition::Index(from.number()?),
            2 => KvCondition::Acquire(get_name(from)?),
            3 => KvCondition::Release(get_name(from)?),
            _ => return Err(from.error("an unknown condition")),
        },
    })
}

pub(super) fn put_kv_op(out: &mut Writer, op: &KvOp) {
    let (kind, key) = match op {
        KvOp::Put(write) => {
            out.byte(0);
            return put_kv(out, write);
        }
        KvOp::Get { key } => (1, key),
        KvOp::GetOrEmpty { key } => (2, key),
        KvOp::GetTree { prefix } => (3, prefix),
        KvOp::CheckIndex { key, .. } => (4, key),
        KvOp::CheckSession { key, .. } => (5, key),
        KvOp::CheckNotExists { key } => (6, key),
        KvOp::Delete { key } => (7, key),
        KvOp::DeleteTree { prefix } => (8, prefix),
        KvOp::DeleteIndex { key, .. } => (9, key),
    };
    out.byte(kind);
    out.bytes(key);
    match op {
        KvOp::CheckIndex { index, .. } | KvOp::DeleteIndex { index, .. } => out.number(*index),
        KvOp::CheckSession { session, .. } => put_name(out, session),
        _ => {}
    }
}

pub(super) fn get_kv_op(kind: u8, from: &mut Cursor) -> Result<KvOp, CodecError> {
    Ok(match kind {
        0 => KvOp::Put(get_kv(from)?),
        1 => KvOp::Get { key: from.bytes()? },
        2 => KvOp::GetOrEmpty { key: from.bytes()? },
        3 => KvOp::GetTree { prefix: from.bytes()? },
        4 => KvOp::CheckIndex { key: from.bytes()?, index: from.number()? },
        5 => KvOp::CheckSession { key: from.bytes()?, session: get_name(from)? },
        6 => KvOp::CheckNotExists { key: from.bytes()? },
        7 => KvOp::Delete { key: from.bytes()? },
        8 => KvOp::DeleteTree { prefix: from.bytes()? },
        9 => KvOp::DeleteIndex { key: from.bytes()?, index: from.number()? },
        _ => return Err(from.error("an unknown operation on a key")),
    })
}
