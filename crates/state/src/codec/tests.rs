use bytes::Bytes;
use proptest::prelude::*;
use types::{
    ClusterId, Code, Epoch, Fault, KeyRange, KeyspaceId, LeaseId, NodeId, PeerId, RegionId,
    Revision,
};

use crate::alarms::{Alarm, AlarmKind};
use crate::auth::acl::{
    AclBinding, AclCommand, AclId, AclMethod, AclPolicy, AclRole, AclToken, BindKind, Identity,
    IdentityKind,
};
use crate::auth::{AuthCommand, Permission, PermissionKind, Secret};
use crate::command::{Command, Envelope, SessionTag};
use crate::directory::{KeyspaceRecord, NodeRecord, Part, Phase};
use crate::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, Query, RangeRequest,
    SortOrder, SortTarget, TxnOp, TxnRequest,
};
use crate::response::{KeyValue, Outcome, RangeResponse, Response};

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    (bytes(), proptest::option::of(bytes())).prop_map(|(start, end)| KeyRange { start, end })
}

fn put() -> impl Strategy<Value = PutRequest> {
    (bytes(), bytes(), any::<i64>(), any::<[bool; 3]>()).prop_map(|(key, value, lease, flags)| {
        let [prev_kv, ignore_value, ignore_lease] = flags;
        PutRequest { key, value, lease: LeaseId(lease), prev_kv, ignore_value, ignore_lease }
    })
}

fn delete() -> impl Strategy<Value = DeleteRequest> {
    (range(), any::<bool>()).prop_map(|(range, prev_kv)| DeleteRequest { range, prev_kv })
}

fn range_request() -> impl Strategy<Value = RangeRequest> {
    (range(), any::<u64>(), any::<[i64; 5]>(), any::<[bool; 2]>(), 0_usize..3, 0_usize..5).prop_map(
        |(range, limit, revisions, flags, order, target)| RangeRequest {
            range,
            limit,
            revision: Revision(revisions[0]),
            sort_order: [SortOrder::None, SortOrder::Ascend, SortOrder::Descend][order],
            sort_target: [
                SortTarget::Key,
                SortTarget::Version,
                SortTarget::Create,
                SortTarget::Mod,
                SortTarget::Value,
            ][target],
            keys_only: flags[0],
            count_only: flags[1],
            min_mod_revision: Revision(revisions[1]),
            max_mod_revision: Revision(revisions[2]),
            min_create_revision: Revision(revisions[3]),
            max_create_revision: Revision(revisions[4]),
        },
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    let target = prop_oneof![
        any::<i64>().prop_map(CompareTarget::Version),
        any::<i64>().prop_map(|r| CompareTarget::CreateRevision(Revision(r))),
        any::<i64>().prop_map(|r| CompareTarget::ModRevision(Revision(r))),
        bytes().prop_map(CompareTarget::Value),
        any::<i64>().prop_map(|l| CompareTarget::Lease(LeaseId(l))),
    ];
    let results = [
        CompareResult::Equal,
        CompareResult::Greater,
        CompareResult::Less,
        CompareResult::NotEqual,
    ];
    (range(), any::<bool>(), 0_usize..4, target).prop_map(move |(range, single, at, target)| {
        Compare { range, single, result: results[at], target }
    })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let leaf = prop_oneof![
        put().prop_map(TxnOp::Put),
        delete().prop_map(TxnOp::Delete),
        range_request().prop_map(TxnOp::Range),
    ];
    let operation = leaf.prop_recursive(3, 16, 4, |inner| {
        let branch = || proptest::collection::vec(inner.clone(), 0..3);
        (proptest::collection::vec(compare(), 0..2), branch(), branch()).prop_map(
            |(compare, success, failure)| TxnOp::Txn(TxnRequest { compare, success, failure }),
        )
    });
    let branch = || proptest::collection::vec(operation.clone(), 0..4);
    (proptest::collection::vec(compare(), 0..4), branch(), branch())
        .prop_map(|(compare, success, failure)| TxnRequest { compare, success, failure })
}

fn query() -> impl Strategy<Value = Query> {
    prop_oneof![range_request().prop_map(Query::Range), txn().prop_map(Query::Txn)]
}

fn nodes() -> impl Strategy<Value = std::collections::BTreeSet<NodeId>> {
    proptest::collection::btree_set(any::<u64>().prop_map(NodeId), 0..4)
}

fn node() -> impl Strategy<Value = NodeRecord> {
    let more = (".{0,8}", any::<bool>());
    (any::<u64>(), any::<u128>(), ".{0,8}", ".{0,8}", ".{0,8}", part(), 0_usize..3, more).prop_map(
        |(id, identity, name, peer_address, client_address, part, phase, more)| NodeRecord {
            id: NodeId(id),
            identity,
            name,
            peer_address,
            client_address,
            part,
            phase: [Phase::Joining, Phase::Member, Phase::Leaving][phase],
            zone: more.0,
            is_draining: more.1,
        },
    )
}

fn alarm() -> impl Strategy<Value = Alarm> {
    any::<(bool, u64)>().prop_map(|(space, node)| {
        let kind = if space { AlarmKind::NoSpace } else { AlarmKind::Corrupt };
        Alarm { kind, node: NodeId(node) }
    })
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![Just(Part::Learner), Just(Part::Voter)]
}

fn membership() -> impl Strategy<Value = Command> {
    let peers = || any::<Vec<u64>>().prop_map(|all| all.into_iter().map(PeerId).collect());
    prop_oneof![
        (".{0,9}", part()).prop_map(|(peer_address, part)| Command::AddNode { peer_address, part }),
        (".{0,9}", any::<u128>(), ".{0,9}", ".{0,9}").prop_map(
            |(peer_address, identity, name, client_address)| Command::IntroduceNode {
                peer_address,
                identity,
                name,
                client_address,
            }
        ),
        any::<u64>().prop_map(|node| Command::PromoteNode { node: NodeId(node) }),
        any::<u64>().prop_map(|node| Command::RemoveNode { node: NodeId(node) }),
        (any::<u64>(), ".{0,9}").prop_map(|(node, peer_address)| Command::UpdateNode {
            node: NodeId(node),
            peer_address,
        }),
        (any::<[u64; 3]>(), peers(), peers()).prop_map(|(numbers, peers, learners)| {
            let [region, version, conf_ver] = numbers;
            let epoch = Epoch { version, conf_ver };
            Command::RecordPeers { region: RegionId(region), epoch, peers, learners }
        }),
    ]
}

fn permission() -> impl Strategy<Value = Permission> {
    (any::<u32>(), range(), 0_u8..3).prop_map(|(keyspace, range, kind)| Permission {
        keyspace: KeyspaceId(keyspace),
        range,
        kind: PermissionKind::from_u8(kind).unwrap(),
    })
}

fn auth() -> impl Strategy<Value = AuthCommand> {
    let secret = || bytes().prop_map(Secret);
    let name = || ".{0,8}";
    prop_oneof![
        secret().prop_map(|key| AuthCommand::Enable { key }),
        Just(AuthCommand::Disable),
        (name(), proptest::option::of(secret()))
            .prop_map(|(name, password)| AuthCommand::AddUser { name, password }),
        name().prop_map(|name| AuthCommand::DeleteUser { name }),
        (name(), secret()).prop_map(|(name, password)| AuthCommand::SetPassword { name, password }),
        (name(), name()).prop_map(|(user, role)| AuthCommand::GrantRole { user, role }),
        (name(), name()).prop_map(|(user, role)| AuthCommand::RevokeRole { user, role }),
        name().prop_map(|name| AuthCommand::AddRole { name }),
        name().prop_map(|name| AuthCommand::DeleteRole { name }),
        (name(), permission())
            .prop_map(|(role, permission)| AuthCommand::GrantPermission { role, permission }),
        (name(), permission()).prop_map(|(role, Permission { keyspace, range, .. })| {
            AuthCommand::RevokePermission { role, keyspace, range }
        }),
        acl().prop_map(|command| AuthCommand::Acl(Box::new(command))),
    ]
}

fn identity() -> impl Strategy<Value = Identity> {
    let kind = proptest::sample::select(&IdentityKind::ALL[..]);
    let places = proptest::collection::vec(".{0,4}".prop_map(Into::into), 0..3);
    (kind, ".{0,8}", places).prop_map(|(kind, name, datacenters)| Identity {
        kind,
        name: name.into(),
        datacenters,
    })
}

fn acl() -> impl Strategy<Value = AclCommand> {
    let id = || ".{0,8}".prop_map(AclId::from);
    let ids = || proptest::collection::vec(".{0,8}".prop_map(AclId::from), 0..3);
    let identities = || proptest::collection::vec(identity(), 0..3);
    let secret = || bytes().prop_map(Secret);
    let more = || prop_oneof![Just(""), Just("more")].prop_map(Box::<str>::from);
    let numbers = any::<(bool, u64, u64, u64)>();
    let token = || {
        (secret(), (more(), more()), ids(), ids(), identities(), numbers).prop_map(
            |(secret, (kept, auth_method), policies, roles, identities, numbers)| {
                let (local, created_ms, expires_ms, index) = numbers;
                AclToken {
                    secret,
                    kept: kept.into(),
                    auth_method,
                    description: "d".into(),
                    policies,
                    roles,
                    identities,
                    local,
                    created_ms,
                    expires_ms,
                    create_index: index,
                    modify_index: index / 2,
                }
            },
        )
    };
    let method = ("[a-z]{0,4}", ".{0,20}", any::<(bool, u64, u64)>()).prop_map(
        |(kind, text, (local, max_ttl_ms, index))| AclMethod {
            kind: kind.into(),
            display_name: "n".into(),
            description: "d".into(),
            max_ttl_ms,
            local,
            name_format: "f".into(),
            config: text.into(),
            create_index: index,
            modify_index: index / 2,
        },
    );
    let variables = proptest::collection::vec((".{0,4}", ".{0,4}"), 0..3);
    let binding = (".{0,8}", ".{0,20}", 0_u8..5, variables, any::<u64>()).prop_map(
        |(name, selector, kind, variables, index)| AclBinding {
            method: "m".into(),
            description: "d".into(),
            selector: selector.into(),
            kind: BindKind::numbered(kind).unwrap(),
            name: name.into(),
            variables: variables.into_iter().map(|(a, b)| (a.into(), b.into())).collect(),
            create_index: index,
            modify_index: index / 2,
        },
    );
    let policy = (".{0,8}", ".{0,20}", any::<u64>()).prop_map(|(name, text, index)| AclPolicy {
        name: name.into(),
        text: text.into(),
        datacenters: vec!["dc1".into()],
        create_index: index,
        ..AclPolicy::default()
    });
    let role = (".{0,8}", ids(), identities()).prop_map(|(name, policies, identities)| AclRole {
        name: name.into(),
        policies,
        identities,
        ..AclRole::default()
    });
    prop_oneof![
        any::<bool>().prop_map(|allows_by_default| AclCommand::Enable { allows_by_default }),
        Just(AclCommand::Disable),
        (id(), secret(), more(), any::<(u64, u64)>()).prop_map(
            |(id, secret, kept, (reset, now_ms))| {
                AclCommand::Bootstrap { id, secret, kept: kept.into(), reset, now_ms }
            }
        ),
        (id(), secret(), more(), any::<u64>()).prop_map(|(id, secret, kept, now_ms)| {
            AclCommand::EnsureManagement { id, secret, kept: kept.into(), now_ms }
        }),
        (id(), method).prop_map(|(id, method)| AclCommand::SetMethod { id, method }),
        id().prop_map(|id| AclCommand::DeleteMethod { id }),
        (id(), binding, any::<bool>()).prop_map(|(id, binding, new)| AclCommand::SetBinding {
            id,
            binding,
            new
        }),
        id().prop_map(|id| AclCommand::DeleteBinding { id }),
        (id(), token(), any::<(u64, u64)>()).prop_map(|(id, token, (made, now_ms))| {
            AclCommand::LogIn { id, token, made, now_ms }
        }),
        (id(), token(), any::<(bool, u64)>()).prop_map(|(id, token, (new, now_ms))| {
            AclCommand::SetToken { id, token, new, now_ms }
        }),
        id().prop_map(|id| AclCommand::DeleteToken { id }),
        (id(), policy, any::<bool>()).prop_map(|(id, policy, new)| AclCommand::SetPolicy {
            id,
            policy,
            new
        }),
        id().prop_map(|id| AclCommand::DeletePolicy { id }),
        (id(), role, any::<bool>()).prop_map(|(id, role, new)| AclCommand::SetRole {
            id,
            role,
            new
        }),
        id().prop_map(|id| AclCommand::DeleteRole { id }),
    ]
}

fn limited() -> impl Strategy<Value = Command> {
    let command = prop_oneof![
        (put(), 1..i64::MAX)
            .prop_map(|(put, id)| Command::Put(PutRequest { lease: LeaseId(id), ..put })),
        (1..i64::MAX).prop_map(|id| Command::LeaseRevoke { id: LeaseId(id) }),
    ];
    (proptest::collection::vec(range(), 0..3), command)
        .prop_map(|(ranges, command)| Command::Limited { ranges, command: Box::new(command) })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        limited(),
        auth().prop_map(Command::Auth),
        put().prop_map(Command::Put),
        delete().prop_map(Command::Delete),
        txn().prop_map(Command::Txn),
        any::<i64>().prop_map(|r| Command::Compact { revision: Revision(r) }),
        any::<(i64, i64)>()
            .prop_map(|(id, ttl_seconds)| Command::LeaseGrant { id: LeaseId(id), ttl_seconds }),
        (alarm(), any::<bool>()).prop_map(|(alarm, raise)| Command::Alarm { alarm, raise }),
        any::<i64>().prop_map(|id| Command::LeaseRevoke { id: LeaseId(id) }),
        any::<Vec<i64>>()
            .prop_map(|ids| Command::LeaseExpire { ids: ids.into_iter().map(LeaseId).collect() }),
        (any::<u128>(), proptest::collection::vec(node(), 0..4))
            .prop_map(|(id, nodes)| Command::Initialize { cluster: ClusterId(id), nodes }),
        node().prop_map(|node| Command::RegisterNode(Box::new(node))),
        membership(),
        any::<(u64, u32)>()
            .prop_map(|(node, most)| Command::TellLevel { node: NodeId(node), most }),
        any::<u32>().prop_map(|to| Command::RaiseLevel { to }),
        (any::<u64>(), nodes(), nodes()).prop_map(|(region, from, to)| {
            Command::Place { region: RegionId(region), from, to }
        }),
        any::<(u64, bool)>()
            .prop_map(|(node, drain)| Command::DrainNode { node: NodeId(node), drain }),
        (".{0,20}", proptest::collection::vec(bytes(), 0..3), any::<(u32, bool)>()).prop_map(
            |(name, split_at, (replicas, in_memory))| {
                Command::CreateSharded { name, split_at, replicas, in_memory }
            }
        ),
        any::<u32>().prop_map(|shards| Command::CreateRegistry { shards }),
        ".{0,20}".prop_map(|name| Command::CreateKeyspace { name }),
        (".{0,20}", ".{0,9}").prop_map(|(name, machine)| Command::CreateMachine { name, machine }),
        bytes().prop_map(|data| Command::Execute { data }),
        crate::registry::codec::tests::command().prop_map(Command::Registry),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let session = proptest::option::of((any::<[u64; 3]>(), any::<bool>()));
    (any::<[u64; 2]>(), session, command()).prop_map(|(epoch, session, command)| Envelope {
        epoch: Epoch { version: epoch[0], conf_ver: epoch[1] },
        session: session.map(|([client, sequence, acknowledged], again)| SessionTag {
            client,
            sequence,
            acknowledged,
            again,
        }),
        command,
    })
}

pub(crate) fn key_value() -> impl Strategy<Value = KeyValue> {
    (bytes(), bytes(), any::<[i64; 4]>(), any::<[u64; 2]>(), bytes()).prop_map(
        |(key, value, numbers, counts, session)| KeyValue {
            key,
            value,
            create_revision: Revision(numbers[0]),
            mod_revision: Revision(numbers[1]),
            version: numbers[2],
            lease: LeaseId(numbers[3]),
            flags: counts[0],
            lock_index: counts[1],
            session,
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    let list = || proptest::collection::vec(key_value(), 0..3);
    let leaf = prop_oneof![
        proptest::option::of(key_value()).prop_map(|prev| Response::Put { prev }),
        (any::<i64>(), list()).prop_map(|(deleted, prev)| Response::Delete { deleted, prev }),
        (list(), any::<bool>(), any::<i64>())
            .prop_map(|(kvs, more, count)| Response::Range(RangeResponse { kvs, more, count })),
        Just(Response::Compacted),
        any::<(i64, i64)>()
            .prop_map(|(id, ttl_seconds)| Response::LeaseGranted { id: LeaseId(id), ttl_seconds }),
        Just(Response::LeaseRevoked),
        proptest::collection::vec(alarm(), 0..3).prop_map(Response::Alarms),
        (any::<u32>(), ".{0,8}", any::<u64>(), proptest::option::of(".{0,8}")).prop_map(
            |(id, name, region, machine)| {
                let (id, region) = (KeyspaceId(id), RegionId(region));
                let replicas = if machine.is_some() { id.get() % 8 } else { 0 };
                Response::Keyspace(KeyspaceRecord { id, name, region, machine, replicas })
            }
        ),
        bytes().prop_map(Response::Executed),
        node().prop_map(Response::Node),
        crate::registry::codec::tests::answer().prop_map(Response::Registry),
        Just(Response::Done),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        (any::<bool>(), proptest::collection::vec(inner, 0..4))
            .prop_map(|(succeeded, responses)| Response::Txn { succeeded, responses })
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let fault =
        (0..Code::ALL.len(), ".{0,20}").prop_map(|(at, detail)| Fault::new(Code::ALL[at], detail));
    let result = prop_oneof![response().prop_map(Ok), fault.prop_map(Err)];
    (any::<i64>(), result)
        .prop_map(|(revision, result)| Outcome { revision: Revision(revision), result })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn envelopes_come_back(envelope in envelope()) {
        prop_assert_eq!(Envelope::decode(envelope.encode()), Ok(envelope));
    }

    #[test]
    fn queries_come_back(query in query()) {
        prop_assert_eq!(Query::decode(query.encode()), Ok(query));
    }

    #[test]
    fn outcomes_come_back(outcome in outcome()) {
        prop_assert_eq!(Outcome::decode(outcome.encode()), Ok(outcome));
    }

    #[test]
    fn damaged_envelopes_are_refused_or_read_but_never_panic(
        envelope in envelope(), at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(),
    ) {
        let mut bytes = envelope.encode().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        drop(Envelope::decode(Bytes::from(bytes.clone())));
        bytes.truncate(cut % bytes.len());
        drop(Envelope::decode(Bytes::from(bytes)));
    }

    #[test]
    fn any_bytes_are_refused_or_read_but_never_panic(bytes in any::<Vec<u8>>()) {
        drop(Envelope::decode(Bytes::from(bytes.clone())));
        drop(Query::decode(Bytes::from(bytes.clone())));
        drop(Outcome::decode(Bytes::from(bytes)));
    }
}

/// The written form is what a log of last year holds: it may grow, it must not change.
#[test]
fn the_written_form_stands() {
    let put = PutRequest {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        lease: LeaseId(-2),
        prev_kv: true,
        ..PutRequest::default()
    };
    let envelope = Envelope {
        epoch: Epoch { version: 1, conf_ver: 300 },
        session: Some(SessionTag { client: 7, sequence: 9, acknowledged: 8, again: false }),
        command: Command::Put(put),
    };
    let expected =
        [1, 1, 0xac, 2, 1, 7, 9, 8, 1, 1, 3, 3, b'k', b'e', b'y', 5, b'v', b'a', b'l', b'u', b'e'];
    assert_eq!(envelope.encode().as_ref(), expected);
    let again = super::proposed_again(&envelope.encode());
    assert_eq!(again[..5], [1, 1, 0xac, 2, 2], "the same, but that it was asked for before");
    assert_eq!(again[5..], expected[5..]);
    assert!(Envelope::decode(again.clone()).unwrap().session.unwrap().again);
    assert_eq!(super::proposed_again(&again), again);
    let outcome = Outcome { revision: Revision(5), result: Ok(Response::Put { prev: None }) };
    assert_eq!(outcome.encode().as_ref(), [1, 10, 0, 0, 0]);
    let outcome = Outcome { revision: Revision(5), result: Err(Code::EmptyKey.into()) };
    assert_eq!(outcome.encode().as_ref(), [1, 10, 2, 0]);
}
