//! The reads and transactions of a line, as messages.

use bytes::Bytes;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::response_op::Response as Answer;
use proto::mvccpb::KeyValue;
use tonic::Status;
use types::{Code, Fault};

use crate::error;

/// The keys that stand in one line.
#[derive(Clone)]
pub(in crate::etcd) struct Line {
    /// Every key begins with it; ends with `/`.
    prefix: Bytes,
    /// The first key after all of them.
    end: Bytes,
}

impl Line {
    /// The line of a lock or an election called `name`.
    pub(in crate::etcd) fn of(name: &[u8]) -> Self {
        // '0' follows '/'.
        let [prefix, end] = [b"/", b"0"].map(|last| [name, last].concat().into());
        Self { prefix, end }
    }

    /// The key of whoever holds `lease`. Go prints its number with a sign.
    pub(in crate::etcd) fn key(&self, lease: i64) -> Bytes {
        let sign = if lease < 0 { "-" } else { "" };
        [&self.prefix[..], format!("{sign}{:x}", lease.unsigned_abs()).as_bytes()].concat().into()
    }

    /// Reads all of the line.
    pub(in crate::etcd) fn whole(&self) -> pb::RangeRequest {
        pb::RangeRequest {
            key: self.prefix.clone(),
            range_end: self.end.clone(),
            ..pb::RangeRequest::default()
        }
    }
}

/// Reads who came first: who holds the lock, or leads.
pub(in crate::etcd) fn first(line: &Line) -> pb::RangeRequest {
    pb::RangeRequest {
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..line.whole()
    }
}

/// Reads who stands right before the one that came at `revision`.
pub(super) fn before(line: &Line, revision: i64) -> pb::RangeRequest {
    pb::RangeRequest {
        limit: 1,
        sort_order: SortOrder::Descend.into(),
        sort_target: SortTarget::Create.into(),
        // 0 would be no bound; nothing is created at revision 1.
        max_create_revision: (revision - 1).max(1),
        keys_only: true,
        ..line.whole()
    }
}

/// Reads one key.
pub(super) fn get(key: &Bytes) -> pb::RangeRequest {
    pb::RangeRequest { key: key.clone(), ..pb::RangeRequest::default() }
}

fn op(request: Op) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn is_created_at(key: &Bytes, revision: i64) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..pb::Compare::default()
    }
}

fn put(key: &Bytes, value: Bytes, lease: i64) -> pb::RequestOp {
    op(Op::RequestPut(pb::PutRequest { key: key.clone(), value, lease, ..Default::default() }))
}

/// Goes to the end of the line, unless already in it. Either way the answer's second part is who came
/// first; if already in it, the first part is the key as it is.
pub(super) fn join(line: &Line, key: &Bytes, value: Bytes, lease: i64) -> pb::TxnRequest {
    let head = || op(Op::RequestRange(first(line)));
    pb::TxnRequest {
        compare: vec![is_created_at(key, 0)],
        success: vec![put(key, value, lease), head()],
        failure: vec![op(Op::RequestRange(get(key))), head()],
    }
}

/// Sets `key` if it still is the one created at `revision`.
pub(in crate::etcd) fn put_if_created_at(
    key: &Bytes,
    revision: i64,
    value: Bytes,
    lease: i64,
) -> pb::TxnRequest {
    pb::TxnRequest {
        compare: vec![is_created_at(key, revision)],
        success: vec![put(key, value, lease)],
        failure: Vec::new(),
    }
}

/// Leaves the line, if `key` still is the one created at `revision`.
pub(in crate::etcd) fn leave(key: &Bytes, revision: i64) -> pb::TxnRequest {
    let delete = pb::DeleteRangeRequest { key: key.clone(), ..Default::default() };
    pb::TxnRequest {
        compare: vec![is_created_at(key, revision)],
        success: vec![op(Op::RequestDeleteRange(delete))],
        failure: Vec::new(),
    }
}

/// Both reads of a look around, at one revision: the own key, and who stands right before it.
pub(super) fn look(line: &Line, key: &Bytes, revision: i64) -> pb::TxnRequest {
    let reads = [get(key), before(line, revision)];
    pb::TxnRequest {
        success: reads.map(|read| op(Op::RequestRange(read))).into(),
        ..pb::TxnRequest::default()
    }
}

/// The record that read number `at` of a transaction found.
pub(super) fn found(answer: &pb::TxnResponse, at: usize) -> Option<&KeyValue> {
    match answer.responses.get(at)?.response.as_ref()? {
        Answer::ResponseRange(range) => range.kvs.first(),
        _ => None,
    }
}

/// The first record that a read found.
pub(in crate::etcd) fn first_kv(answer: pb::RangeResponse) -> Option<KeyValue> {
    answer.kvs.into_iter().next()
}

/// The header, which every answer has.
pub(in crate::etcd) fn header_of(
    header: Option<pb::ResponseHeader>,
) -> Result<pb::ResponseHeader, Status> {
    header.ok_or_else(|| {
        error::status(&Fault::new(Code::Internal, "an answer of this node has no header"))
    })
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn keys_are_those_of_etcds_recipes() {
        let line = Line::of(b"jobs");
        assert_eq!(line.key(0x34ee_a21e_b210_430a), "jobs/34eea21eb210430a");
        assert_eq!(line.key(-1), "jobs/-1");
        assert_eq!(line.key(i64::MIN), "jobs/-8000000000000000");
        let whole = line.whole();
        assert_eq!((whole.key, whole.range_end), ("jobs/".into(), "jobs0".into()));
        assert_eq!(Line::of(b"").key(7), "/7");
    }
}
