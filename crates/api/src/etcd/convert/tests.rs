use bytes::Bytes;
use node::Header;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response as WireOp;
use state::request::{CompareTarget, SortOrder, TxnOp};
use state::response::{KeyValue, RangeResponse, Response};
use types::{ClusterId, Code, LeaseId, NodeId, Revision, Term};

use super::{delete, header, is_serializable, put, range, txn, txn_response};

fn read(key: &'static str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.into(), ..Default::default() }
}

fn op(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn inner(request: pb::TxnRequest) -> pb::RequestOp {
    op(Request::RequestTxn(request))
}

#[test]
fn a_read_means_what_etcd_takes_it_for() {
    let single = range(read("k")).unwrap();
    assert_eq!(single.range.end.as_deref(), Some(&b"k\0"[..]));
    let from = range(pb::RangeRequest { range_end: "\0".into(), ..read("k") }).unwrap();
    assert_eq!((&from.range.start[..], from.range.end), (&b"k"[..], None));
    let until = range(pb::RangeRequest { range_end: "m".into(), ..read("k") }).unwrap();
    assert_eq!(until.range.end.as_deref(), Some(&b"m"[..]));

    let endless = range(pb::RangeRequest { limit: -3, ..read("k") }).unwrap();
    assert_eq!(endless.limit, 0, "a negative limit is none");
    let by_mod = range(pb::RangeRequest { sort_target: 3, ..read("k") }).unwrap();
    assert_eq!(by_mod.sort_order, SortOrder::Ascend, "a target without an order sorts upwards");
    assert_eq!(single.sort_order, SortOrder::None);

    assert_eq!(range(pb::RangeRequest { sort_order: 9, ..read("") }), Err(Code::EmptyKey));
    for (sort_order, sort_target) in [(3, 0), (0, 5), (-1, 0)] {
        let request = pb::RangeRequest { sort_order, sort_target, ..read("k") };
        assert_eq!(range(request), Err(Code::InvalidSortOption), "{sort_order} {sort_target}");
    }
}

#[test]
fn writes_are_refused_in_etcds_order() {
    let keyed = pb::PutRequest { key: "k".into(), ..Default::default() };
    let value = pb::PutRequest { ignore_value: true, value: "v".into(), ..keyed.clone() };
    let lease = pb::PutRequest { ignore_lease: true, lease: 7, ..keyed.clone() };
    assert_eq!(put(pb::PutRequest { key: Bytes::new(), ..value.clone() }), Err(Code::EmptyKey));
    assert_eq!(put(value), Err(Code::ValueProvided));
    assert_eq!(put(lease), Err(Code::LeaseProvided));
    assert_eq!(put(pb::PutRequest { lease: 7, ..keyed }).unwrap().lease, LeaseId(7));
    assert_eq!(delete(&pb::DeleteRangeRequest::default()), Err(Code::EmptyKey));
}

#[test]
fn operations_are_counted_through_nesting() {
    let ops = |n: usize| vec![op(Request::RequestRange(read("k"))); n];
    let flat = |n| pb::TxnRequest { success: ops(n), failure: ops(n), ..Default::default() };
    assert!(txn(flat(128)).is_ok(), "each branch may have all of them");
    assert_eq!(txn(flat(129)).unwrap_err().code, Code::TooManyOperations);

    let nested = |n| pb::TxnRequest { success: vec![inner(flat(n))], ..Default::default() };
    assert!(txn(nested(127)).is_ok());
    assert_eq!(txn(nested(128)).unwrap_err().code, Code::TooManyOperations);

    let deep = |levels| {
        (1..levels).fold(flat(1), |within, _| pb::TxnRequest {
            failure: vec![inner(within)],
            ..Default::default()
        })
    };
    assert!(txn(deep(16)).is_ok());
    assert_eq!(txn(deep(17)).unwrap_err().code, Code::TooManyOperations);

    let nothing = pb::RequestOp { request: None };
    let empty = pb::TxnRequest { success: vec![nothing], ..Default::default() };
    assert_eq!(txn(empty).unwrap_err().code, Code::KeyNotFound, "etcd's answer to no operation");
}

#[test]
fn a_comparisons_target_decides_over_its_operand() {
    let compare = |target, union, range_end: &'static str| {
        let compare = vec![pb::Compare {
            target,
            target_union: union,
            key: "k".into(),
            range_end: range_end.into(),
            ..Default::default()
        }];
        let request = pb::TxnRequest { compare, ..Default::default() };
        txn(request).map(|mut txn| txn.compare.remove(0))
    };
    let lease = compare(4, Some(TargetUnion::Lease(5)), "").unwrap();
    assert_eq!((lease.target, lease.single), (CompareTarget::Lease(LeaseId(5)), true));
    let other = compare(3, Some(TargetUnion::Version(5)), "m").unwrap();
    assert_eq!((other.target, other.single), (CompareTarget::Value(Bytes::new()), false));
    assert_eq!(other.range.end.as_deref(), Some(&b"m"[..]));
    let absent = compare(2, None, "").unwrap();
    assert_eq!(absent.target, CompareTarget::ModRevision(Revision(0)));
    assert_eq!(compare(5, None, "").unwrap_err().code, Code::InvalidArgument);
}

#[test]
fn a_revision_inside_a_transaction_is_not_rounded() {
    let request = pb::RangeRequest { revision: -1, ..read("k") };
    let success = vec![op(Request::RequestRange(request))];
    let txn = txn(pb::TxnRequest { success, ..Default::default() }).unwrap();
    let TxnOp::Range(range) = &txn.success[0] else { panic!("{txn:?}") };
    assert_eq!(range.revision, Revision(-1));
}

#[test]
fn only_local_reads_make_a_transaction_local() {
    let local = || op(Request::RequestRange(pb::RangeRequest { serializable: true, ..read("k") }));
    let quorum = || op(Request::RequestRange(read("k")));
    let txn = |success, failure| pb::TxnRequest { success, failure, ..Default::default() };
    assert!(is_serializable(&txn(vec![local()], vec![local()])));
    assert!(!is_serializable(&txn(vec![local()], vec![quorum()])));
    assert!(!is_serializable(&txn(vec![inner(txn(vec![local()], vec![]))], vec![])));
}

fn outer() -> pb::ResponseHeader {
    header(&Header {
        cluster: ClusterId(0xAA_0000_0000_0000_0007),
        member: NodeId(3),
        revision: Revision(9),
        term: Term(4),
        age: None,
    })
}

/// The revision an inner answer's header tells; nothing else may be set in it.
fn revision(header: Option<&pb::ResponseHeader>) -> i64 {
    let header = *header.unwrap();
    assert_eq!(header, pb::ResponseHeader { revision: header.revision, ..Default::default() });
    header.revision
}

fn revisions(responses: &[pb::ResponseOp]) -> Vec<i64> {
    let mut all = Vec::new();
    for response in responses {
        match response.response.as_ref().unwrap() {
            WireOp::ResponseRange(range) => all.push(revision(range.header.as_ref())),
            WireOp::ResponsePut(put) => all.push(revision(put.header.as_ref())),
            WireOp::ResponseDeleteRange(delete) => all.push(revision(delete.header.as_ref())),
            WireOp::ResponseTxn(txn) => {
                assert_eq!(revision(txn.header.as_ref()), 0);
                all.extend(revisions(&txn.responses));
            }
        }
    }
    all
}

#[test]
fn inner_answers_carry_the_revision_they_saw() {
    let kv = KeyValue { key: "k".into(), flags: 8, ..KeyValue::default() };
    let gone = |deleted| Response::Delete { deleted, prev: Vec::new() };
    let read = || {
        let kvs = vec![kv.clone()];
        Response::Range(RangeResponse { kvs, more: true, count: 2 })
    };
    let write = Response::Txn {
        succeeded: false,
        responses: vec![
            read(),
            gone(0),
            Response::Txn { succeeded: true, responses: vec![Response::Put { prev: None }] },
            read(),
            gone(0),
        ],
    };
    let answer = txn_response(outer(), write).unwrap();
    assert_eq!(answer.header.unwrap().cluster_id, 7);
    assert_eq!(answer.header.unwrap().revision, 9);
    assert!(!answer.succeeded);
    assert_eq!(revisions(&answer.responses), [8, 8, 9, 9, 9]);

    let idle = Response::Txn { succeeded: true, responses: vec![read(), gone(0)] };
    assert_eq!(revisions(&txn_response(outer(), idle).unwrap().responses), [9, 9]);
    assert_eq!(txn_response(outer(), Response::Done), None);
}
