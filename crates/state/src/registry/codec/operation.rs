//! Operations of transactions, inside of commands, and what they answer, inside of outcomes.

use std::sync::Arc;

use super::kv::{get_kv_op, put_kv_op};
use super::records::{
    get_check, get_instance, get_name, get_node, put_check, put_instance, put_name, put_node,
};
use crate::codec::outcome::{get_key_value, put_key_value};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::name::{CheckKey, InstanceKey, Name};
use crate::registry::operation::{CatalogOp, TxnOp, TxnResult};
use crate::registry::query::NamedCheck;

/// Operations on keys are below.
const GET_NODE: u8 = 10;
const SET_NODE: u8 = 11;
const DELETE_NODE: u8 = 12;
const GET_INSTANCE: u8 = 13;
const SET_INSTANCE: u8 = 14;
const DELETE_INSTANCE: u8 = 15;
const GET_CHECK: u8 = 16;
const SET_CHECK: u8 = 17;
const DELETE_CHECK: u8 = 18;

fn put_index(out: &mut Writer, index: Option<u64>) {
    out.flag(index.is_some());
    if let Some(index) = index {
        out.number(index);
    }
}

fn get_index(from: &mut Cursor) -> Result<Option<u64>, CodecError> {
    Ok(if from.flag()? { Some(from.number()?) } else { None })
}

fn put_place(out: &mut Writer, kind: u8, place: [&Name; 3]) {
    out.byte(kind);
    for name in place {
        put_name(out, name);
    }
}

fn get_instance_key(from: &mut Cursor) -> Result<InstanceKey, CodecError> {
    Ok(InstanceKey { node: get_name(from)?, namespace: get_name(from)?, id: get_name(from)? })
}

fn get_check_key(from: &mut Cursor) -> Result<CheckKey, CodecError> {
    Ok(CheckKey { node: get_name(from)?, namespace: get_name(from)?, id: get_name(from)? })
}

pub(super) fn put_operation(out: &mut Writer, op: &TxnOp) {
    match op {
        TxnOp::Kv(op) => put_kv_op(out, op),
        TxnOp::Catalog(op) => put_catalog_op(out, op),
    }
}

fn put_catalog_op(out: &mut Writer, op: &CatalogOp) {
    match op {
        CatalogOp::GetNode { name, id } => {
            out.byte(GET_NODE);
            put_name(out, name);
            put_name(out, id);
        }
        CatalogOp::SetNode { node, index } => {
            out.byte(SET_NODE);
            put_node(out, node);
            put_index(out, *index);
        }
        CatalogOp::DeleteNode { name, index } => {
            out.byte(DELETE_NODE);
            put_name(out, name);
            put_index(out, *index);
        }
        CatalogOp::GetInstance(InstanceKey { node, namespace, id }) => {
            put_place(out, GET_INSTANCE, [node, namespace, id]);
        }
        CatalogOp::SetInstance { instance, index } => {
            out.byte(SET_INSTANCE);
            put_instance(out, instance);
            put_index(out, *index);
        }
        CatalogOp::DeleteInstance { key: InstanceKey { node, namespace, id }, index } => {
            put_place(out, DELETE_INSTANCE, [node, namespace, id]);
            put_index(out, *index);
        }
        CatalogOp::GetCheck(CheckKey { node, namespace, id }) => {
            put_place(out, GET_CHECK, [node, namespace, id]);
        }
        CatalogOp::SetCheck { check, index } => {
            out.byte(SET_CHECK);
            put_check(out, check);
            put_index(out, *index);
        }
        CatalogOp::DeleteCheck { key: CheckKey { node, namespace, id }, index } => {
            put_place(out, DELETE_CHECK, [node, namespace, id]);
            put_index(out, *index);
        }
    }
}

pub(super) fn get_operation(from: &mut Cursor) -> Result<TxnOp, CodecError> {
    let kind = from.byte()?;
    if kind < GET_NODE {
        return Ok(TxnOp::Kv(get_kv_op(kind, from)?));
    }
    Ok(TxnOp::Catalog(match kind {
        GET_NODE => CatalogOp::GetNode { name: get_name(from)?, id: get_name(from)? },
        SET_NODE => CatalogOp::SetNode { node: get_node(from)?.into(), index: get_index(from)? },
        DELETE_NODE => CatalogOp::DeleteNode { name: get_name(from)?, index: get_index(from)? },
        GET_INSTANCE => CatalogOp::GetInstance(get_instance_key(from)?),
        SET_INSTANCE => {
            CatalogOp::SetInstance { instance: get_instance(from)?.into(), index: get_index(from)? }
        }
        DELETE_INSTANCE => {
            CatalogOp::DeleteInstance { key: get_instance_key(from)?, index: get_index(from)? }
        }
        GET_CHECK => CatalogOp::GetCheck(get_check_key(from)?),
        SET_CHECK => {
            CatalogOp::SetCheck { check: get_check(from)?.into(), index: get_index(from)? }
        }
        DELETE_CHECK => {
            CatalogOp::DeleteCheck { key: get_check_key(from)?, index: get_index(from)? }
        }
        _ => return Err(from.error("an unknown operation of a transaction")),
    }))
}

pub(super) fn put_result(out: &mut Writer, result: &TxnResult) {
    match result {
        TxnResult::Kv(kv) => {
            out.byte(0);
            put_key_value(out, kv);
        }
        TxnResult::Node(node) => {
            out.byte(1);
            put_node(out, node);
        }
        TxnResult::Instance(instance) => {
            out.byte(2);
            put_instance(out, instance);
        }
        TxnResult::Check(NamedCheck { check, instance }) => {
            out.byte(3);
            put_check(out, check);
            out.flag(instance.is_some());
            if let Some(instance) = instance {
                put_instance(out, instance);
            }
        }
    }
}

pub(super) fn get_result(from: &mut Cursor) -> Result<TxnResult, CodecError> {
    Ok(match from.byte()? {
        0 => TxnResult::Kv(get_key_value(from)?),
        1 => TxnResult::Node(Arc::new(get_node(from)?)),
        2 => TxnResult::Instance(Arc::new(get_instance(from)?)),
        3 => TxnResult::Check(NamedCheck {
            check: Arc::new(get_check(from)?),
            instance: if from.flag()? { Some(Arc::new(get_instance(from)?)) } else { None },
        }),
        _ => return Err(from.error("an unknown result of an operation")),
    })
}
