use bytes::Bytes;
use proptest::prelude::*;
use types::Revision;

use super::{
    get_check, get_instance, get_node, get_session, put_check, put_instance, put_node, put_session,
};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::answer::RegistryAnswer;
use crate::registry::archive::RestoreStep;
use crate::registry::command::{
    CheckRegistration, Expiry, Mirror, Registration, RegistryCommand, Target,
};
use crate::registry::kv::{KvCondition, KvOp, KvWrite};
use crate::registry::name::{CheckKey, InstanceKey, Name, TimerId};
use crate::registry::operation::{CatalogOp, TxnError, TxnOp, TxnResult};
use crate::registry::query::NamedCheck;
use crate::registry::record::{
    Behavior, Check, Definition, Instance, Node, Pairs, Session, Status, TaggedAddress, Weights,
};

fn name() -> impl Strategy<Value = Name> {
    ".{0,9}".prop_map(Name::from)
}

fn names<const N: usize>() -> impl Strategy<Value = [Name; N]> {
    proptest::array::uniform::<_, N>(name())
}

fn opaque() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..30).prop_map(Bytes::from)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    proptest::collection::vec((name(), name()), 0..4).prop_map(Into::into)
}

fn revisions() -> impl Strategy<Value = (Revision, Revision)> {
    any::<(i64, i64)>().prop_map(|(created, modified)| (Revision(created), Revision(modified)))
}

fn status() -> impl Strategy<Value = Status> {
    (0_u8..3).prop_map(|number| Status::from_u8(number).unwrap())
}

pub(crate) fn node() -> impl Strategy<Value = Node> {
    (names::<3>(), pairs(), pairs(), revisions()).prop_map(
        |([name, id, address], tagged_addresses, meta, (created, modified))| Node {
            name,
            id,
            address,
            tagged_addresses,
            meta,
            created,
            modified,
        },
    )
}

pub(crate) fn instance() -> impl Strategy<Value = Instance> {
    let tagged = (names::<2>(), any::<u16>()).prop_map(|([tag, address], port)| TaggedAddress {
        tag,
        address,
        port,
    });
    let tagged = proptest::collection::vec(tagged, 0..3);
    let tags = proptest::collection::vec(name(), 0..4);
    let numbers = any::<(u16, u32, u32, bool)>();
    (names::<6>(), tags, pairs(), tagged, numbers, opaque(), revisions()).prop_map(
        |(names, tags, meta, tagged, numbers, extra, (created, modified))| {
            let [node, namespace, id, service, address, zone] = names;
            let (port, passing, warning, enable_tag_override) = numbers;
            Instance {
                node,
                namespace,
                id,
                service,
                tags: tags.into(),
                address,
                port,
                meta,
                weights: Weights { passing, warning },
                enable_tag_override,
                tagged_addresses: tagged.into(),
                zone,
                extra: extra.as_ref().into(),
                created,
                modified,
            }
        },
    )
}

pub(crate) fn check() -> impl Strategy<Value = Check> {
    let definition =
        (any::<[u64; 4]>(), any::<[u8; 3]>(), opaque()).prop_map(|(periods, numbers, target)| {
            Definition {
                ttl_ms: periods[0],
                interval_ms: periods[1],
                timeout_ms: periods[2],
                deregister_after_ms: periods[3],
                success_before_passing: numbers[0],
                failures_before_warning: numbers[1],
                failures_before_critical: numbers[2],
                target: target.as_ref().into(),
            }
        });
    (names::<8>(), status(), definition, any::<u64>(), revisions()).prop_map(
        |(names, status, definition, timer, (created, modified))| {
            let [node, namespace, id, instance, name, notes, output, kind] = names;
            Check {
                node,
                namespace,
                id,
                instance,
                name,
                status,
                notes,
                output,
                kind,
                definition,
                timer: TimerId(timer),
                created,
                modified,
            }
        },
    )
}

pub(crate) fn session() -> impl Strategy<Value = Session> {
    let checks = proptest::collection::vec(name(), 0..3);
    (names::<3>(), any::<(u64, u64, u64, bool)>(), checks, pairs(), revisions()).prop_map(
        |([id, name, node], numbers, checks, service_checks, (created, modified))| {
            let (lock_delay_ms, ttl_ms, timer, delete) = numbers;
            Session {
                id,
                name,
                node,
                lock_delay_ms,
                behavior: if delete { Behavior::Delete } else { Behavior::Release },
                ttl_ms,
                node_checks: checks.into(),
                service_checks,
                timer: TimerId(timer),
                created,
                modified,
            }
        },
    )
}

fn check_key() -> impl Strategy<Value = CheckKey> {
    names::<3>().prop_map(|[node, namespace, id]| CheckKey { node, namespace, id })
}

fn registration() -> impl Strategy<Value = Registration> {
    let checks = (check(), any::<bool>())
        .prop_map(|(check, keep_status)| CheckRegistration { check, keep_status });
    let checks = proptest::collection::vec(checks, 0..3);
    (node(), proptest::option::of(instance()), checks, any::<(bool, bool)>()).prop_map(
        |(node, instance, checks, (skip_node_update, replace_checks))| Registration {
            node,
            skip_node_update,
            instance,
            checks,
            replace_checks,
        },
    )
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        name().prop_map(Target::Node),
        names::<3>().prop_map(|[node, namespace, id]| {
            Target::Instance(InstanceKey { node, namespace, id })
        }),
        check_key().prop_map(Target::Check),
    ]
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        (check_key(), any::<i64>(), status()).prop_map(|(check, modified, status)| {
            Expiry::Check { check, modified: Revision(modified), status }
        }),
        (check_key(), any::<i64>())
            .prop_map(|(check, at)| Expiry::Instance { check, modified: Revision(at) }),
        (name(), any::<i64>()).prop_map(|(id, at)| Expiry::Session { id, modified: Revision(at) }),
    ]
}

fn kv() -> impl Strategy<Value = KvWrite> {
    let condition = prop_oneof![
        Just(KvCondition::Always),
        any::<u64>().prop_map(KvCondition::Index),
        name().prop_map(KvCondition::Acquire),
        name().prop_map(KvCondition::Release),
    ];
    (opaque(), opaque(), any::<u64>(), condition)
        .prop_map(|(key, value, flags, condition)| KvWrite { key, value, flags, condition })
}

fn kv_op() -> impl Strategy<Value = KvOp> {
    prop_oneof![
        kv().prop_map(KvOp::Put),
        opaque().prop_map(|key| KvOp::Get { key }),
        opaque().prop_map(|key| KvOp::GetOrEmpty { key }),
        opaque().prop_map(|prefix| KvOp::GetTree { prefix }),
        (opaque(), any::<u64>()).prop_map(|(key, index)| KvOp::CheckIndex { key, index }),
        (opaque(), name()).prop_map(|(key, session)| KvOp::CheckSession { key, session }),
        opaque().prop_map(|key| KvOp::CheckNotExists { key }),
        opaque().prop_map(|key| KvOp::Delete { key }),
        opaque().prop_map(|prefix| KvOp::DeleteTree { prefix }),
        (opaque(), any::<u64>()).prop_map(|(key, index)| KvOp::DeleteIndex { key, index }),
    ]
}

fn operation() -> impl Strategy<Value = TxnOp> {
    let index = || proptest::option::of(any::<u64>());
    let instance_key = || names::<3>().prop_map(|[a, b, c]| InstanceKey::new(&a, &b, &c));
    let catalog = prop_oneof![
        names::<2>().prop_map(|[name, id]| CatalogOp::GetNode { name, id }),
        (node(), index()).prop_map(|(it, index)| CatalogOp::SetNode { node: it.into(), index }),
        (name(), index()).prop_map(|(name, index)| CatalogOp::DeleteNode { name, index }),
        instance_key().prop_map(CatalogOp::GetInstance),
        (instance(), index())
            .prop_map(|(it, index)| CatalogOp::SetInstance { instance: it.into(), index }),
        (instance_key(), index()).prop_map(|(key, index)| CatalogOp::DeleteInstance { key, index }),
        check_key().prop_map(CatalogOp::GetCheck),
        (check(), index()).prop_map(|(it, index)| CatalogOp::SetCheck { check: it.into(), index }),
        (check_key(), index()).prop_map(|(key, index)| CatalogOp::DeleteCheck { key, index }),
    ];
    prop_oneof![kv_op().prop_map(TxnOp::Kv), catalog.prop_map(TxnOp::Catalog)]
}

fn mirror() -> impl Strategy<Value = Mirror> {
    let of_node = (node(), proptest::collection::vec(check(), 0..3));
    (0..i64::MAX, name(), proptest::option::of(of_node)).prop_map(|(at, name, node)| Mirror {
        at: types::Revision(at),
        name,
        node,
    })
}

pub(crate) fn command() -> impl Strategy<Value = RegistryCommand> {
    prop_oneof![
        registration().prop_map(|it| RegistryCommand::Register(Box::new(it))),
        registration().prop_map(|it| RegistryCommand::RegisterOn(Box::new(it))),
        proptest::collection::vec(mirror(), 0..3).prop_map(RegistryCommand::Mirror),
        target().prop_map(RegistryCommand::Deregister),
        (check_key(), status(), proptest::option::of(name())).prop_map(
            |(check, status, output)| RegistryCommand::UpdateCheck { check, status, output }
        ),
        session().prop_map(|it| RegistryCommand::CreateSession(Box::new(it))),
        name().prop_map(|id| RegistryCommand::DestroySession { id }),
        name().prop_map(|id| RegistryCommand::RenewSession { id }),
        proptest::collection::vec(expiry(), 0..4).prop_map(RegistryCommand::Expire),
        kv().prop_map(RegistryCommand::Kv),
        (opaque(), any::<u64>()).prop_map(|(key, index)| RegistryCommand::KvDelete { key, index }),
        proptest::collection::vec(operation(), 0..4).prop_map(RegistryCommand::Txn),
        (name(), 0..3_u8, any::<u32>(), opaque()).prop_map(|(restore, kind, part, bytes)| {
            RegistryCommand::Restore(match kind {
                0 => RestoreStep::Stage { restore, part, bytes },
                1 => RestoreStep::CarryOut { restore, parts: part },
                _ => RestoreStep::Abandon { restore },
            })
        }),
    ]
}

pub(crate) fn answer() -> impl Strategy<Value = RegistryAnswer> {
    let error = (any::<u32>(), ".{0,9}").prop_map(|(op, what)| TxnError { op, what });
    let result = prop_oneof![
        crate::codec::tests::key_value().prop_map(TxnResult::Kv),
        node().prop_map(|it| TxnResult::Node(it.into())),
        instance().prop_map(|it| TxnResult::Instance(it.into())),
        (check(), proptest::option::of(instance())).prop_map(|(check, instance)| {
            let instance = instance.map(Into::into);
            TxnResult::Check(NamedCheck { check: check.into(), instance })
        }),
    ];
    let records = proptest::collection::vec(result, 0..3);
    prop_oneof![
        records.prop_map(RegistryAnswer::TxnDone),
        proptest::collection::vec(error, 0..3).prop_map(RegistryAnswer::TxnRefused),
        any::<bool>().prop_map(|changed| RegistryAnswer::Done { changed }),
        (any::<bool>(), proptest::option::of(1..u64::MAX)).prop_map(|(changed, timer)| {
            RegistryAnswer::Registered { changed, timer: timer.map(TimerId) }
        }),
        any::<bool>().prop_map(RegistryAnswer::Granted),
        any::<u64>().prop_map(RegistryAnswer::Expired),
    ]
}

fn written<T>(record: &T, put: impl Fn(&mut Writer, &T)) -> Bytes {
    let mut out = Writer::default();
    put(&mut out, record);
    out.finish()
}

fn read<T>(
    bytes: Bytes,
    get: impl Fn(&mut Cursor) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut from = Cursor::new(bytes);
    let record = get(&mut from)?;
    from.end()?;
    Ok(record)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_and_cut_ones_do_not(
        node in node(), instance in instance(), check in check(), session in session(),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = [
            written(&node, put_node),
            written(&instance, put_instance),
            written(&check, put_check),
            written(&session, put_session),
        ];
        let cut = bytes.clone().map(|bytes| bytes.slice(..cut.index(bytes.len())));
        let [a, b, c, d] = bytes;
        prop_assert_eq!(read(a, get_node), Ok(node));
        prop_assert_eq!(read(b, get_instance), Ok(instance));
        prop_assert_eq!(read(c, get_check), Ok(check));
        prop_assert_eq!(read(d, get_session), Ok(session));
        let [a, b, c, d] = cut;
        prop_assert!(read(a, get_node).is_err() && read(b, get_instance).is_err());
        prop_assert!(read(c, get_check).is_err() && read(d, get_session).is_err());
    }

    #[test]
    fn any_bytes_are_refused_or_read_but_never_panic(bytes in any::<Vec<u8>>()) {
        let bytes = Bytes::from(bytes);
        drop(read(bytes.clone(), get_node));
        drop(read(bytes.clone(), get_instance));
        drop(read(bytes.clone(), get_check));
        drop(read(bytes, get_session));
    }

    /// What `check` lets through is what `apply` can carry out; of the rest nothing panics.
    #[test]
    fn any_command_is_checked_without_a_panic(command in command()) {
        drop(crate::registry::check(&command));
    }
}
