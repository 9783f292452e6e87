use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::{
    CompareResult as WireResult, CompareTarget as WireTarget, TargetUnion,
};
use proto::etcdserverpb::request_op::Request;
use state::request::{Compare, CompareResult, CompareTarget, TxnOp, TxnRequest};
use types::{Code, Fault, KeyRange, LeaseId, Revision, limits};

use super::request::{delete, put, range};

/// A transaction, checked in etcd's order: number of operations, keys of comparisons, operations.
///
/// # Errors
/// `TooManyOperations`, `EmptyKey`, and those of each operation; `KeyNotFound` for an operation that
/// says nothing, as etcd does; `InvalidArgument` for a comparison this server does not know.
pub fn txn(request: pb::TxnRequest) -> Result<TxnRequest, Fault> {
    branch(request, limits::TXN_OPERATIONS, limits::TXN_DEPTH)
}

/// `operations` and `depth` are what the transactions around this one left over.
fn branch(request: pb::TxnRequest, operations: usize, depth: usize) -> Result<TxnRequest, Fault> {
    let widest = request.compare.len().max(request.success.len()).max(request.failure.len());
    let (Some(left), Some(deeper)) = (operations.checked_sub(widest), depth.checked_sub(1)) else {
        return Err(Code::TooManyOperations.into());
    };
    let ops = |list: Vec<pb::RequestOp>| -> Result<Vec<TxnOp>, Fault> {
        list.into_iter().map(|item| op(item, left, deeper)).collect()
    };
    Ok(TxnRequest {
        compare: request.compare.into_iter().map(compare).collect::<Result<_, _>>()?,
        success: ops(request.success)?,
        failure: ops(request.failure)?,
    })
}

fn op(item: pb::RequestOp, operations: usize, depth: usize) -> Result<TxnOp, Fault> {
    Ok(match item.request {
        Some(Request::RequestRange(request)) => TxnOp::Range(range(request)?),
        Some(Request::RequestPut(request)) => TxnOp::Put(put(request)?),
        Some(Request::RequestDeleteRange(request)) => TxnOp::Delete(delete(&request)?),
        Some(Request::RequestTxn(request)) => TxnOp::Txn(branch(request, operations, depth)?),
        None => return Err(Code::KeyNotFound.into()),
    })
}

fn compare(item: pb::Compare) -> Result<Compare, Fault> {
    if item.key.is_empty() {
        return Err(Code::EmptyKey.into());
    }
    let result = match WireResult::try_from(item.result) {
        Ok(WireResult::Equal) => CompareResult::Equal,
        Ok(WireResult::Greater) => CompareResult::Greater,
        Ok(WireResult::Less) => CompareResult::Less,
        Ok(WireResult::NotEqual) => CompareResult::NotEqual,
        Err(_) => return Err(unknown("result", item.result)),
    };
    // `target` decides; an operand of another kind is read as that kind's zero.
    let union = item.target_union;
    let target = match (WireTarget::try_from(item.target), union) {
        (Ok(WireTarget::Version), Some(TargetUnion::Version(version))) => {
            CompareTarget::Version(version)
        }
        (Ok(WireTarget::Version), _) => CompareTarget::Version(0),
        (Ok(WireTarget::Create), Some(TargetUnion::CreateRevision(revision))) => {
            CompareTarget::CreateRevision(Revision(revision))
        }
        (Ok(WireTarget::Create), _) => CompareTarget::CreateRevision(Revision(0)),
        (Ok(WireTarget::Mod), Some(TargetUnion::ModRevision(revision))) => {
            CompareTarget::ModRevision(Revision(revision))
        }
        (Ok(WireTarget::Mod), _) => CompareTarget::ModRevision(Revision(0)),
        (Ok(WireTarget::Value), Some(TargetUnion::Value(value))) => CompareTarget::Value(value),
        (Ok(WireTarget::Value), _) => CompareTarget::Value(bytes::Bytes::new()),
        (Ok(WireTarget::Lease), Some(TargetUnion::Lease(lease))) => {
            CompareTarget::Lease(LeaseId(lease))
        }
        (Ok(WireTarget::Lease), _) => CompareTarget::Lease(LeaseId(0)),
        (Err(_), _) => return Err(unknown("target", item.target)),
    };
    Ok(Compare {
        range: KeyRange::from_etcd(&item.key, &item.range_end),
        single: item.range_end.is_empty(),
        result,
        target,
    })
}

fn unknown(what: &str, number: i32) -> Fault {
    Fault::new(Code::InvalidArgument, format!("unknown comparison {what} {number}"))
}

/// Whether the transaction may be read from this node's own copy: every operation is a range that
/// says so (etcd `isTxnSerializable`). Counts only for transactions without writes. One that only
/// compares never said so; etcd reads it locally all the same, here it is linearizable.
#[must_use]
pub fn is_serializable(request: &pb::TxnRequest) -> bool {
    let mut operations = request.success.iter().chain(&request.failure).peekable();
    operations.peek().is_some()
        && operations.all(|item| {
            matches!(&item.request, Some(Request::RequestRange(range)) if range.serializable)
        })
}
