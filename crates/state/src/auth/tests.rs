//! `authorize` against the plainest model there is: one bit for each key and kind, over all keys of a
//! small key space.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use types::{Code, KeyRange, KeyspaceId, LeaseId};

use super::cover::{covers, merged};
use super::{Area, Auth, AuthCommand, Demand, Permission, PermissionKind, Principal, Secret};
use crate::command::Command;
use crate::registry::{KvCondition, KvOp, KvWrite, RegistryCommand};
use crate::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, Query, RangeRequest, TxnOp,
    TxnRequest,
};

/// Keys `\1` to `\8`, and one after all of them that stands for "to the end".
const KEYS: u8 = 9;

fn key(number: u8) -> Bytes {
    vec![number].into()
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        (1..KEYS).prop_map(|at| KeyRange::single(&key(at))),
        (1..KEYS).prop_map(|at| KeyRange { start: key(at), end: None }),
        (1..KEYS, 1..KEYS).prop_map(|(a, b)| KeyRange { start: key(a), end: Some(key(b)) }),
    ]
}

/// Every key that tells ranges like these apart: each, what comes right after it, and one beyond.
fn all_keys() -> impl Iterator<Item = Bytes> {
    (1..=KEYS).flat_map(|at| [vec![at].into(), vec![at, 0].into(), vec![at, 0, 0].into()])
}

fn permission() -> impl Strategy<Value = Permission> {
    (1_u32..3, range(), 0_u8..3).prop_map(|(keyspace, range, kind)| Permission {
        keyspace: KeyspaceId(keyspace),
        range,
        kind: PermissionKind::from_u8(kind).unwrap(),
    })
}

fn put() -> impl Strategy<Value = PutRequest> {
    (1..KEYS, any::<bool>(), 0_i64..2).prop_map(|(at, prev_kv, lease)| PutRequest {
        key: key(at),
        prev_kv,
        lease: LeaseId(lease),
        ..PutRequest::default()
    })
}

fn delete() -> impl Strategy<Value = DeleteRequest> {
    (range(), any::<bool>()).prop_map(|(range, prev_kv)| DeleteRequest { range, prev_kv })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let compare = (range(), any::<bool>()).prop_map(|(range, single)| Compare {
        range,
        single,
        result: CompareResult::Equal,
        target: CompareTarget::Version(0),
    });
    let leaf = prop_oneof![
        put().prop_map(TxnOp::Put),
        delete().prop_map(TxnOp::Delete),
        range().prop_map(|range| TxnOp::Range(RangeRequest { range, ..RangeRequest::default() })),
    ];
    let operation = leaf.prop_recursive(2, 6, 2, |inner| {
        (vec(inner.clone(), 0..2), vec(inner, 0..2)).prop_map(|(success, failure)| {
            TxnOp::Txn(TxnRequest { compare: Vec::new(), success, failure })
        })
    });
    (vec(compare, 0..2), vec(operation.clone(), 0..2), vec(operation, 0..2))
        .prop_map(|(compare, success, failure)| TxnRequest { compare, success, failure })
}

/// Operations of Consul's transactions, and what is needed of which keys.
fn kv_ops() -> impl Strategy<Value = Vec<(KvOp, KeyRange, PermissionKind)>> {
    let op = (1..KEYS, 0_u8..10).prop_map(|(at, what)| {
        let (own, below) = (key(at), KeyRange { start: key(at), end: Some(key(at + 1)) });
        let one = KeyRange::single(&own);
        let (condition, value) = (KvCondition::Index(3), Bytes::new());
        let put = KvWrite { key: own.clone(), value, flags: 0, condition };
        let (key, session, prefix) = (own.clone(), "s".into(), own);
        match what {
            0 => (KvOp::Put(put), one, PermissionKind::Write),
            1 => (KvOp::Get { key }, one, PermissionKind::Read),
            2 => (KvOp::GetOrEmpty { key }, one, PermissionKind::Read),
            3 => (KvOp::GetTree { prefix }, below, PermissionKind::Read),
            4 => (KvOp::CheckIndex { key, index: 1 }, one, PermissionKind::Read),
            5 => (KvOp::CheckSession { key, session }, one, PermissionKind::Read),
            6 => (KvOp::CheckNotExists { key }, one, PermissionKind::Read),
            7 => (KvOp::Delete { key }, one, PermissionKind::Write),
            8 => (KvOp::DeleteTree { prefix }, below, PermissionKind::Write),
            _ => (KvOp::DeleteIndex { key, index: 1 }, one, PermissionKind::Write),
        }
    });
    vec(op, 0..3)
}

/// What is needed of which keys.
fn needs_of_txn(txn: &TxnRequest, needs: &mut Vec<(KeyRange, PermissionKind)>) {
    needs.extend(txn.compare.iter().map(|it| (it.range.clone(), PermissionKind::Read)));
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            TxnOp::Range(range) => needs.push((range.range.clone(), PermissionKind::Read)),
            TxnOp::Put(put) => needs_of_put(put, needs),
            TxnOp::Delete(delete) => needs_of_delete(delete, needs),
            TxnOp::Txn(txn) => needs_of_txn(txn, needs),
        }
    }
}

fn needs_of_put(put: &PutRequest, needs: &mut Vec<(KeyRange, PermissionKind)>) {
    let read = put.prev_kv.then_some(PermissionKind::Read);
    let kinds = [PermissionKind::Write].into_iter().chain(read);
    needs.extend(kinds.map(|kind| (KeyRange::single(&put.key), kind)));
}

fn needs_of_delete(delete: &DeleteRequest, needs: &mut Vec<(KeyRange, PermissionKind)>) {
    let read = delete.prev_kv.then_some(PermissionKind::Read);
    let kinds = [PermissionKind::Write].into_iter().chain(read);
    needs.extend(kinds.map(|kind| (delete.range.clone(), kind)));
}

fn auth_of(roles: &[Vec<Permission>]) -> Auth {
    let mut auth = Auth::default();
    let mut apply = |command| auth.apply(&command).map(drop).unwrap();
    let secret = || Secret(Bytes::new());
    for name in ["root", "bob"] {
        apply(AuthCommand::AddUser { name: name.to_owned(), password: Some(secret()) });
    }
    apply(AuthCommand::GrantRole { user: "root".to_owned(), role: "root".to_owned() });
    for (at, permissions) in roles.iter().enumerate() {
        let role = format!("role{at}");
        apply(AuthCommand::AddRole { name: role.clone() });
        apply(AuthCommand::GrantRole { user: "bob".to_owned(), role: role.clone() });
        for permission in permissions {
            if !permission.range.is_empty() {
                let (role, permission) = (role.clone(), permission.clone());
                apply(AuthCommand::GrantPermission { role, permission });
            }
        }
    }
    apply(AuthCommand::Enable { key: secret() });
    auth
}

#[test]
fn the_permissions_of_a_role_are_bounded_in_bytes_too() {
    let mut auth = auth_of(&[vec![]]);
    let mut grant = |at: u8| {
        let mut start = vec![7; types::limits::KEY_BYTES];
        start[0] = at;
        let range = KeyRange::single(&Bytes::from(start));
        let permission = Permission { keyspace: KeyspaceId(1), range, kind: PermissionKind::Read };
        auth.apply(&AuthCommand::GrantPermission { role: "role0".to_owned(), permission })
    };
    let taken = (1..=255).take_while(|at| grant(*at).is_ok()).count();
    // Each is the key and what comes right after it.
    let most = types::limits::AUTH_ROLE_BYTES / (2 * types::limits::KEY_BYTES);
    assert!((most - 1..=most).contains(&taken), "{taken} of {most}");
    let fault = grant(255).map(drop).unwrap_err();
    assert_eq!(fault.code, Code::LimitReached);
    assert!(fault.detail.contains("bytes of the permissions of a role"), "{}", fault.detail);
    grant(1).map(drop).expect("what takes another's place needs no room");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_048, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_user_may_do_what_it_may_do_with_every_single_key(
        roles in vec(vec(permission(), 0..4), 0..3),
        range in range(), put in put(), delete in delete(), txn in txn(),
        kv_ops in kv_ops(),
    ) {
        let auth = auth_of(&roles);
        // A later permission of a role takes the place of an earlier one for the same range.
        let granted: Vec<&Permission> =
            auth.roles.values().flat_map(|role| &role.permissions).collect();
        let has = |key: &[u8], kind: PermissionKind| granted.iter().any(|it| {
            it.keyspace == KeyspaceId(1) && it.kind.allows(kind) && it.range.contains(key)
        });
        let model = |needs: &[(KeyRange, PermissionKind)]| {
            needs.iter().all(|(range, kind)| {
                all_keys().filter(|key| range.contains(key)).all(|key| has(&key, *kind))
            })
        };
        let bob = Some(Principal::User("bob"));
        fn asks(auth: &Auth, what: Demand<'_>) -> Result<(), Code> {
            let bob = Some(Principal::User("bob"));
            let decided = auth.authorize(bob, (KeyspaceId(1), Area::Keys), what);
            decided.map_err(|fault| fault.code)
        }
        let says = |may| if may { Ok(()) } else { Err(Code::PermissionDenied) };

        let mut needs = vec![(range.clone(), PermissionKind::Read)];
        prop_assert_eq!(asks(&auth, Demand::Range(&range)), says(model(&needs)));
        let request = RangeRequest { range, ..RangeRequest::default() };
        prop_assert_eq!(asks(&auth, Demand::Query(&Query::Range(request))), says(model(&needs)));
        needs.clear();
        needs_of_put(&put, &mut needs);
        prop_assert_eq!(asks(&auth, Demand::Command(&Command::Put(put))), says(model(&needs)));
        needs.clear();
        needs_of_delete(&delete, &mut needs);
        prop_assert_eq!(asks(&auth, Demand::Command(&Command::Delete(delete))), says(model(&needs)));
        needs.clear();
        needs_of_txn(&txn, &mut needs);
        prop_assert_eq!(asks(&auth, Demand::Txn(&txn)), says(model(&needs)));
        let command = Command::Txn(txn);
        prop_assert_eq!(asks(&auth, Demand::Command(&command)), says(model(&needs)));

        let needs: Vec<_> = kv_ops.iter().map(|(_, range, kind)| (range.clone(), *kind)).collect();
        let ops = kv_ops.into_iter().map(|(op, ..)| crate::registry::TxnOp::Kv(op)).collect();
        let consul = Command::Registry(RegistryCommand::Txn(ops));
        prop_assert_eq!(asks(&auth, Demand::Command(&consul)), says(model(&needs)));

        // What is looked at when it is applied are exactly the keys it may write.
        if let Command::Limited { ranges, .. } = auth.limit(bob, KeyspaceId(1), command) {
            for key in all_keys() {
                let within = ranges.iter().any(|range| range.contains(&key));
                prop_assert_eq!(within, has(&key, PermissionKind::Write), "{:?}", key);
            }
        }
        let nobody = auth.authorize(None, (KeyspaceId(1), Area::Keys), Demand::Anyone);
        prop_assert_eq!(nobody, Err(Code::UserEmpty.into()));
        let root = Some(Principal::User("root"));
        prop_assert_eq!(auth.authorize(root, (KeyspaceId(3), Area::Keys), Demand::Root), Ok(()));
    }

    #[test]
    fn merged_ranges_have_the_same_keys(ranges in vec(range(), 0..6), wanted in range()) {
        let whole = merged(ranges.iter().filter(|it| !it.is_empty()).cloned().collect());
        for key in all_keys() {
            let before = ranges.iter().any(|range| range.contains(&key));
            prop_assert_eq!(whole.iter().any(|range| range.contains(&key)), before);
        }
        let mut pairs = whole.windows(2);
        let apart = pairs.all(|it| it[0].end.as_ref().is_some_and(|end| *end < it[1].start));
        prop_assert!(apart, "{:?}", whole);
        prop_assert_eq!(covers(whole.iter(), &wanted), covers(ranges.iter(), &wanted));
    }
}
