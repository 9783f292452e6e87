//! Requests inside commands.

use types::KeyRange;

use super::primitives::{CodecError, Cursor, Writer};
use crate::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, SortOrder,
    SortTarget, TxnOp, TxnRequest,
};

const PREV_KV: u8 = 1;
const IGNORE_VALUE: u8 = 2;
const IGNORE_LEASE: u8 = 4;
const KEYS_ONLY: u8 = 1;
const COUNT_ONLY: u8 = 2;

pub(crate) fn put_range(out: &mut Writer, range: &KeyRange) {
    out.bytes(&range.start);
    out.flag(range.end.is_some());
    if let Some(end) = &range.end {
        out.bytes(end);
    }
}

pub(crate) fn get_range(from: &mut Cursor) -> Result<KeyRange, CodecError> {
    let start = from.bytes()?;
    let end = if from.flag()? { Some(from.bytes()?) } else { None };
    Ok(KeyRange { start, end })
}

pub(super) fn put_put(out: &mut Writer, put: &PutRequest) {
    let flags = (u8::from(put.prev_kv) * PREV_KV)
        | (u8::from(put.ignore_value) * IGNORE_VALUE)
        | (u8::from(put.ignore_lease) * IGNORE_LEASE);
    out.byte(flags);
    out.lease(put.lease);
    out.bytes(&put.key);
    out.bytes(&put.value);
}

pub(super) fn get_put(from: &mut Cursor) -> Result<PutRequest, CodecError> {
    let flags = from.byte()?;
    if flags > (PREV_KV | IGNORE_VALUE | IGNORE_LEASE) {
        return Err(from.error("unknown flags of a put"));
    }
    Ok(PutRequest {
        lease: from.lease()?,
        key: from.bytes()?,
        value: from.bytes()?,
        prev_kv: flags & PREV_KV != 0,
        ignore_value: flags & IGNORE_VALUE != 0,
        ignore_lease: flags & IGNORE_LEASE != 0,
    })
}

pub(super) fn put_delete(out: &mut Writer, delete: &DeleteRequest) {
    out.flag(delete.prev_kv);
    put_range(out, &delete.range);
}

pub(super) fn get_delete(from: &mut Cursor) -> Result<DeleteRequest, CodecError> {
    let prev_kv = from.flag()?;
    Ok(DeleteRequest { prev_kv, range: get_range(from)? })
}

pub(super) fn put_range_request(out: &mut Writer, range: &RangeRequest) {
    put_range(out, &range.range);
    out.number(range.limit);
    out.revision(range.revision);
    out.byte(range.sort_order as u8);
    out.byte(range.sort_target as u8);
    out.byte((u8::from(range.keys_only) * KEYS_ONLY) | (u8::from(range.count_only) * COUNT_ONLY));
    out.revision(range.min_mod_revision);
    out.revision(range.max_mod_revision);
    out.revision(range.min_create_revision);
    out.revision(range.max_create_revision);
}

pub(super) fn get_range_request(from: &mut Cursor) -> Result<RangeRequest, CodecError> {
    let range = get_range(from)?;
    let limit = from.number()?;
    let revision = from.revision()?;
    let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
    let sort_order = choice(from, &orders)?;
    let targets = [
        SortTarget::Key,
        SortTarget::Version,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ];
    let sort_target = choice(from, &targets)?;
    let flags = from.byte()?;
    if flags > (KEYS_ONLY | COUNT_ONLY) {
        return Err(from.error("unknown flags of a range"));
    }
    Ok(RangeRequest {
        range,
        limit,
        revision,
        sort_order,
        sort_target,
        keys_only: flags & KEYS_ONLY != 0,
        count_only: flags & COUNT_ONLY != 0,
        min_mod_revision: from.revision()?,
        max_mod_revision: from.revision()?,
        min_create_revision: from.revision()?,
        max_create_revision: from.revision()?,
    })
}

fn choice<T: Copy>(from: &mut Cursor, of: &[T]) -> Result<T, CodecError> {
    let number = usize::from(from.byte()?);
    of.get(number).copied().ok_or_else(|| from.error("an unknown choice"))
}

fn put_compare(out: &mut Writer, compare: &Compare) {
    put_range(out, &compare.range);
    out.flag(compare.single);
    out.byte(compare.result as u8);
    match &compare.target {
        CompareTarget::Version(version) => {
            out.byte(0);
            out.signed(*version);
        }
        CompareTarget::CreateRevision(revision) => {
            out.byte(1);
            out.revision(*revision);
        }
        CompareTarget::ModRevision(revision) => {
            out.byte(2);
            out.revision(*revision);
        }
        CompareTarget::Value(value) => {
            out.byte(3);
            out.bytes(value);
        }
        CompareTarget::Lease(lease) => {
            out.byte(4);
            out.lease(*lease);
        }
    }
}

fn get_compare(from: &mut Cursor) -> Result<Compare, CodecError> {
    let range = get_range(from)?;
    let single = from.flag()?;
    let results = [
        CompareResult::Equal,
        CompareResult::Greater,
        CompareResult::Less,
        CompareResult::NotEqual,
    ];
    let result = choice(from, &results)?;
    let target = match from.byte()? {
        0 => CompareTarget::Version(from.signed()?),
        1 => CompareTarget::CreateRevision(from.revision()?),
        2 => CompareTarget::ModRevision(from.revision()?),
        3 => CompareTarget::Value(from.bytes()?),
        4 => CompareTarget::Lease(from.lease()?),
        _ => return Err(from.error("an unknown comparison")),
    };
    Ok(Compare { range, single, result, target })
}

pub(super) fn put_txn(out: &mut Writer, txn: &TxnRequest) {
    out.number(txn.compare.len() as u64);
    for compare in &txn.compare {
        put_compare(out, compare);
    }
    for branch in [&txn.success, &txn.failure] {
        out.number(branch.len() as u64);
        for operation in branch {
            put_operation(out, operation);
        }
    }
}

pub(super) fn get_txn(from: &mut Cursor, depth: usize) -> Result<TxnRequest, CodecError> {
    if depth > types::limits::TXN_DEPTH {
        return Err(from.error("transactions nested too deep"));
    }
    Ok(TxnRequest {
        compare: from.list(get_compare)?,
        success: from.list(|from| get_operation(from, depth))?,
        failure: from.list(|from| get_operation(from, depth))?,
    })
}

fn put_operation(out: &mut Writer, operation: &TxnOp) {
    match operation {
        TxnOp::Range(range) => {
            out.byte(0);
            put_range_request(out, range);
        }
        TxnOp::Put(put) => {
            out.byte(1);
            put_put(out, put);
        }
        TxnOp::Delete(delete) => {
            out.byte(2);
            put_delete(out, delete);
        }
        TxnOp::Txn(txn) => {
            out.byte(3);
            put_txn(out, txn);
        }
    }
}

fn get_operation(from: &mut Cursor, depth: usize) -> Result<TxnOp, CodecError> {
    match from.byte()? {
        0 => Ok(TxnOp::Range(get_range_request(from)?)),
        1 => Ok(TxnOp::Put(get_put(from)?)),
        2 => Ok(TxnOp::Delete(get_delete(from)?)),
        3 => Ok(TxnOp::Txn(get_txn(from, depth + 1)?)),
        _ => Err(from.error("an unknown operation")),
    }
}
