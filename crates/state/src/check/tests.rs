use bytes::Bytes;
use types::{Code, KeyRange, LeaseId};

use super::{check, check_keyspace_name, check_txn};
use crate::command::Command;
use crate::request::{DeleteRequest, PutRequest, RangeRequest, TxnOp, TxnRequest};

fn put(key: &'static str) -> TxnOp {
    TxnOp::Put(PutRequest { key: Bytes::from_static(key.as_bytes()), ..PutRequest::default() })
}

fn delete(start: &'static str, end: &'static str) -> TxnOp {
    let range = KeyRange::from_etcd(
        &Bytes::from_static(start.as_bytes()),
        &Bytes::from_static(end.as_bytes()),
    );
    TxnOp::Delete(DeleteRequest { range, prev_kv: false })
}

fn nested(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> TxnOp {
    TxnOp::Txn(TxnRequest { compare: Vec::new(), success, failure })
}

fn txn(success: Vec<TxnOp>) -> Result<(), Code> {
    check_txn(&TxnRequest { success, ..TxnRequest::default() }).map_err(|fault| fault.code)
}

#[test]
fn no_key_is_written_twice_by_one_run() {
    let duplicate = Err(Code::DuplicateKey);
    assert_eq!(txn(vec![put("a"), put("b"), delete("c", "")]), Ok(()));
    assert_eq!(txn(vec![put("a"), put("a")]), duplicate);
    assert_eq!(txn(vec![put("b"), delete("a", "c")]), duplicate);
    assert_eq!(txn(vec![delete("a", "c"), delete("b", "d")]), Ok(()), "deletes may overlap");
    assert_eq!(txn(vec![nested(vec![put("a")], vec![put("a")])]), Ok(()), "only one branch runs");
    assert_eq!(txn(vec![put("a"), nested(vec![put("a")], vec![])]), duplicate);
    assert_eq!(txn(vec![put("a"), nested(vec![], vec![put("a")])]), duplicate);
    assert_eq!(txn(vec![put("a"), nested(vec![], vec![delete("a", "")])]), duplicate);
    assert_eq!(
        txn(vec![nested(vec![put("a")], vec![]), nested(vec![], vec![put("a")])]),
        duplicate
    );
    assert_eq!(txn(vec![delete("a", ""), nested(vec![put("a")], vec![])]), duplicate);
}

#[test]
fn the_number_of_operations_is_bounded_at_every_level() {
    let many = |n: usize| (0..n).map(|_| TxnOp::Range(range("k"))).collect::<Vec<_>>();
    assert_eq!(txn(many(128)), Ok(()));
    assert_eq!(txn(many(129)), Err(Code::TooManyOperations));
    assert_eq!(txn(vec![nested(many(127), vec![])]), Ok(()));
    assert_eq!(txn(vec![nested(many(128), vec![])]), Err(Code::TooManyOperations));
    let mut deep = put("a");
    for _ in 0..types::limits::TXN_DEPTH + 1 {
        deep = nested(vec![deep], vec![]);
    }
    assert_eq!(txn(vec![deep]), Err(Code::InvalidArgument));
}

fn range(key: &'static str) -> RangeRequest {
    RangeRequest {
        range: KeyRange::single(&Bytes::from_static(key.as_bytes())),
        ..RangeRequest::default()
    }
}

#[test]
fn a_put_is_checked_as_etcd_checks_it() {
    let code = |put| check(&Command::Put(put)).map_err(|fault| fault.code);
    let key = || Bytes::from_static(b"k");
    assert_eq!(code(PutRequest::default()), Err(Code::EmptyKey));
    let base = PutRequest { key: key(), ..PutRequest::default() };
    assert_eq!(code(base.clone()), Ok(()));
    let value = PutRequest { value: key(), ignore_value: true, ..base.clone() };
    assert_eq!(code(value), Err(Code::ValueProvided));
    let lease = PutRequest { lease: LeaseId(1), ignore_lease: true, ..base.clone() };
    assert_eq!(code(lease), Err(Code::LeaseProvided));
    let large = PutRequest { value: vec![0; types::limits::REQUEST_BYTES].into(), ..base.clone() };
    assert_eq!(code(large), Err(Code::RequestTooLarge));
    let long = PutRequest { key: vec![b'k'; types::limits::KEY_BYTES + 1].into(), ..base };
    assert_eq!(code(long), Err(Code::InvalidArgument));
    assert_eq!(txn(vec![TxnOp::Range(RangeRequest::default())]), Err(Code::EmptyKey));
}

#[test]
fn keyspace_names_follow_a_rule_that_the_error_tells() {
    for name in ["a", "default", "team-1.prod_x", "0"] {
        assert_eq!(check_keyspace_name(name), Ok(()));
    }
    for name in ["", "A", "-a", "a b", "ä", &"x".repeat(129)] {
        let fault = check_keyspace_name(name).unwrap_err();
        assert_eq!(fault.code, Code::InvalidArgument);
        assert!(fault.detail.contains("a-z"), "{fault}");
    }
}
