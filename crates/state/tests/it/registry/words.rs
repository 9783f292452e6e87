//! The transcripts' small language for the registry.

use bytes::Bytes;
use state::registry::{
    Behavior, Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Expiry, Instance,
    InstanceKey, KvCondition, KvOp, KvWrite, Mirror, Name, Node, Pairs, Registration,
    RegistryCommand, Session, Status, TaggedAddress, Target, TimerId, TxnOp, Weights,
};
use types::Revision;

use super::operations::operation;
use crate::parse::option;

pub(crate) fn command(text: &str) -> RegistryCommand {
    let words: Vec<&str> = text.split_whitespace().collect();
    let rest = &words[1..];
    let check = |at: usize| CheckKey::new(words[at], DEFAULT_NAMESPACE, words[at + 1]);
    let revision = |at: usize| Revision(words[at].parse().unwrap());
    match words[0] {
        "register" => RegistryCommand::Register(Box::new(registration(rest))),
        "on" => RegistryCommand::RegisterOn(Box::new(registration(rest))),
        // `mirror AT n1 gone`, or the node as for `register`
        "mirror" => {
            let registration = registration(&words[2..]);
            let checks = registration.checks.into_iter().map(|it| it.check).collect();
            let is_gone = words.get(3) == Some(&"gone");
            let node = (!is_gone).then_some((registration.node, checks));
            RegistryCommand::Mirror(vec![Mirror { at: revision(1), name: words[2].into(), node }])
        }
        "deregister" => RegistryCommand::Deregister(match words[1] {
            "node" => Target::Node(words[2].into()),
            "instance" => Target::Instance(InstanceKey::new(words[2], namespace(rest), words[3])),
            _ => Target::Check(check(2)),
        }),
        // The output is the rest of the line.
        "check" => RegistryCommand::UpdateCheck {
            check: check(1),
            status: status(words[3]),
            output: text.splitn(5, ' ').nth(4).map(Name::from),
        },
        "session" => RegistryCommand::CreateSession(Box::new(session(rest))),
        "destroy" => RegistryCommand::DestroySession { id: words[1].into() },
        "renew" => RegistryCommand::RenewSession { id: words[1].into() },
        "silent" => RegistryCommand::Expire(vec![Expiry::Check {
            check: check(1),
            modified: revision(3),
            status: status(words[4]),
        }]),
        "remove" => RegistryCommand::Expire(vec![Expiry::Instance {
            check: check(1),
            modified: revision(3),
        }]),
        "lose" => RegistryCommand::Expire(
            rest.chunks(2)
                .map(|it| Expiry::Session {
                    id: it[0].into(),
                    modified: Revision(it[1].parse().unwrap()),
                })
                .collect(),
        ),
        "kv" => RegistryCommand::Kv(kv(rest)),
        "kvdel" => {
            RegistryCommand::KvDelete { key: bytes(words[1]), index: words[2].parse().unwrap() }
        }
        "txn" => RegistryCommand::Txn(
            text["txn".len()..].split(';').filter(|it| !it.trim().is_empty()).map(op).collect(),
        ),
        other => panic!("command of the registry {other:?}"),
    }
}

pub(crate) fn namespace<'a>(words: &[&'a str]) -> &'a str {
    option(words, "ns").unwrap_or(DEFAULT_NAMESPACE)
}

fn name(words: &[&str], of: &str) -> Name {
    option(words, of).unwrap_or("").into()
}

fn number(words: &[&str], of: &str) -> u64 {
    option(words, of).map_or(0, |text| text.parse().unwrap())
}

fn list<'a>(words: &[&'a str], of: &str) -> Vec<&'a str> {
    option(words, of).map_or(Vec::new(), |text| text.split(',').collect())
}

/// `meta=a:1,b:2`
fn pairs(words: &[&str], of: &str) -> Pairs {
    let pairs = list(words, of).into_iter().map(|pair| {
        let (key, value) = pair.split_once(':').unwrap();
        (key.into(), value.into())
    });
    pairs.collect()
}

fn status(text: &str) -> Status {
    match text {
        "passing" => Status::Passing,
        "warning" => Status::Warning,
        "critical" => Status::Critical,
        other => panic!("status {other:?}"),
    }
}

/// `n1 addr=A nodemeta=k:v skip service=web id=w1 tags=a,b port=80 meta=k:v zone=z ns=x check=...`
pub(crate) fn registration(words: &[&str]) -> Registration {
    let node = Node {
        name: words[0].into(),
        id: name(words, "nodeid"),
        address: name(words, "addr"),
        tagged_addresses: Pairs::default(),
        meta: pairs(words, "nodemeta"),
        created: Revision(0),
        modified: Revision(0),
    };
    let instance = option(words, "service").map(|service| Instance {
        node: Name::default(),
        namespace: namespace(words).into(),
        id: option(words, "id").unwrap_or(service).into(),
        service: service.into(),
        tags: list(words, "tags").into_iter().map(Name::from).collect(),
        address: name(words, "at"),
        port: number(words, "port") as u16,
        meta: pairs(words, "meta"),
        weights: Weights::default(),
        enable_tag_override: words.contains(&"override"),
        tagged_addresses: list(words, "tagged")
            .into_iter()
            .map(|tag| TaggedAddress { tag: tag.into(), address: "x".into(), port: 1 })
            .collect(),
        zone: name(words, "zone"),
        extra: Box::default(),
        created: Revision(0),
        modified: Revision(0),
    });
    let checks = words.iter().filter_map(|word| word.strip_prefix("check="));
    Registration {
        node,
        skip_node_update: words.contains(&"skip"),
        instance,
        checks: checks.map(|text| check(text, namespace(words))).collect(),
        replace_checks: words.contains(&"replace"),
    }
}

/// `c1,of:w1,passing,ttl:15000,after:60000,keep`
fn check(text: &str, namespace: &str) -> CheckRegistration {
    let words: Vec<&str> = text.split(',').collect();
    let field = |of: &str| words.iter().find_map(|word| word.strip_prefix(of)?.strip_prefix(':'));
    let number = |of: &str| field(of).map_or(0, |text| text.parse::<u64>().unwrap());
    let stands = words.iter().find(|it| ["passing", "warning", "critical"].contains(it));
    let check = Check {
        node: Name::default(),
        namespace: namespace.into(),
        id: words[0].into(),
        instance: field("of").unwrap_or("").into(),
        name: words[0].into(),
        status: stands.map_or(Status::Critical, |it| status(it)),
        notes: Name::default(),
        output: field("said").unwrap_or("").into(),
        kind: if number("ttl") > 0 { "ttl".into() } else { Name::default() },
        definition: Definition {
            ttl_ms: number("ttl"),
            interval_ms: number("every"),
            deregister_after_ms: number("after"),
            failures_before_critical: number("failures") as u8,
            ..Definition::default()
        },
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    CheckRegistration { check, keep_status: words.contains(&"keep") }
}

/// `s1 node=n1 ttl=10000 delay=15000 delete checks=a,b services=c,d`
fn session(words: &[&str]) -> Session {
    Session {
        id: words[0].into(),
        name: name(words, "name"),
        node: name(words, "node"),
        lock_delay_ms: number(words, "delay"),
        behavior: if words.contains(&"delete") { Behavior::Delete } else { Behavior::Release },
        ttl_ms: number(words, "ttl"),
        node_checks: list(words, "checks").into_iter().map(Name::from).collect(),
        service_checks: list(words, "services")
            .into_iter()
            .map(|id| (DEFAULT_NAMESPACE.into(), id.into()))
            .collect(),
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    }
}

/// `k value flags=7 cas=3 acquire=s1 release=s1`
fn kv(words: &[&str]) -> KvWrite {
    let value = words.get(1).filter(|word| !word.contains('='));
    let condition = if let Some(index) = option(words, "cas") {
        KvCondition::Index(index.parse().unwrap())
    } else if let Some(session) = option(words, "acquire") {
        KvCondition::Acquire(session.into())
    } else if let Some(session) = option(words, "release") {
        KvCondition::Release(session.into())
    } else {
        KvCondition::Always
    };
    KvWrite {
        key: bytes(words[0]),
        value: value.map_or_else(Bytes::new, |it| bytes(it)),
        flags: number(words, "flags"),
        condition,
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn op(text: &str) -> TxnOp {
    operation(text).map_or_else(|| TxnOp::Kv(kv_op(text)), TxnOp::Catalog)
}

/// An operation by Consul's verb; those that put have the words of `kv`.
fn kv_op(text: &str) -> KvOp {
    let words: Vec<&str> = text.split_whitespace().collect();
    let key = words.get(1).map_or_else(Bytes::new, |it| bytes(it));
    let prefix = key.clone();
    let index = || words[2].parse().unwrap();
    match words[0] {
        "put" => KvOp::Put(kv(&words[1..])),
        "get" => KvOp::Get { key },
        "get-or-empty" => KvOp::GetOrEmpty { key },
        "get-tree" => KvOp::GetTree { prefix },
        "check-index" => KvOp::CheckIndex { key, index: index() },
        "check-session" => {
            KvOp::CheckSession { key, session: words.get(2).map_or("", |it| it).into() }
        }
        "check-not-exists" => KvOp::CheckNotExists { key },
        "delete" => KvOp::Delete { key },
        "delete-tree" => KvOp::DeleteTree { prefix },
        "delete-cas" => KvOp::DeleteIndex { key, index: index() },
        other => panic!("verb {other:?}"),
    }
}
