//! What is refused before it reaches the log, and again when it is applied.

use bytes::Bytes;
use types::{Code, Fault, limits};

use super::archive::RestoreStep;
use super::command::{Expiry, Mirror, Registration, RegistryCommand, Target};
use super::kv::{KvCondition, KvOp, KvWrite};
use super::name::{CheckKey, InstanceKey, Name};
use super::operation::{CatalogOp, TxnOp};
use super::record::{Check, Definition, Instance, Node, Session};

pub(crate) fn check(command: &RegistryCommand) -> Result<(), Fault> {
    match command {
        RegistryCommand::Register(registration) | RegistryCommand::RegisterOn(registration) => {
            check_registration(registration)
        }
        RegistryCommand::Mirror(mirrors) => check_mirrors(mirrors),
        RegistryCommand::Deregister(Target::Node(node)) => name("a node's name", node),
        RegistryCommand::Deregister(Target::Instance(key)) => check_instance_key(key),
        RegistryCommand::Deregister(Target::Check(key)) => check_key(key),
        RegistryCommand::UpdateCheck { check, output, .. } => {
            check_key(check)?;
            output.as_ref().map_or(Ok(()), |output| text("a check's output", output))
        }
        RegistryCommand::CreateSession(session) => check_session(session),
        RegistryCommand::DestroySession { id } | RegistryCommand::RenewSession { id } => {
            name("a session's id", id)
        }
        RegistryCommand::Expire(expiries) => check_expiries(expiries),
        RegistryCommand::Kv(write) => check_kv(write),
        RegistryCommand::KvDelete { key, .. } => check_kv_key(key),
        RegistryCommand::Txn(ops) => check_txn(ops),
        RegistryCommand::Restore(step) => check_step(step),
    }
}

fn refuse(detail: String) -> Result<(), Fault> {
    Err(Fault::new(Code::InvalidArgument, detail))
}

/// A name that must be there. Zero bytes separate names in keys.
fn name(what: &str, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return refuse(format!("{what} is missing"));
    }
    short(what, name, limits::REGISTRY_NAME_BYTES)
}

fn text(what: &str, text: &str) -> Result<(), Fault> {
    short(what, text, limits::REGISTRY_TEXT_BYTES)
}

fn short(what: &str, text: &str, most: usize) -> Result<(), Fault> {
    if text.len() > most {
        return refuse(format!("{what} has {} bytes; at most {most} are allowed", text.len()));
    }
    if text.contains('\0') {
        return refuse(format!("{what} holds a zero byte"));
    }
    Ok(())
}

fn few(what: &str, count: usize, most: usize) -> Result<(), Fault> {
    if count > most {
        return refuse(format!("{count} {what}; at most {most} are allowed"));
    }
    Ok(())
}

fn pairs(what: &str, pairs: &[(Name, Name)]) -> Result<(), Fault> {
    few(what, pairs.len(), limits::REGISTRY_PAIRS)?;
    for (key, value) in pairs {
        name(what, key)?;
        short(what, value, limits::REGISTRY_VALUE_BYTES)?;
    }
    if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
        return refuse(format!("{what} are not in order, or one is there twice"));
    }
    Ok(())
}

fn check_key(key: &CheckKey) -> Result<(), Fault> {
    name("a node's name", &key.node)?;
    name("a namespace", &key.namespace)?;
    name("a check's id", &key.id)
}

fn check_instance_key(key: &InstanceKey) -> Result<(), Fault> {
    name("a node's name", &key.node)?;
    name("a namespace", &key.namespace)?;
    name("an instance's id", &key.id)
}

fn check_registration(registration: &Registration) -> Result<(), Fault> {
    let Registration { node, instance, checks, replace_checks, .. } = registration;
    check_node(node)?;
    if let Some(instance) = instance {
        check_instance(instance)?;
    } else if *replace_checks {
        return refuse("checks are to be replaced, and of no instance".to_owned());
    }
    few("checks", checks.len(), limits::REGISTRY_CHECKS)?;
    for registered in checks {
        check_check(&registered.check)?;
    }
    let mut ids: Vec<_> = checks.iter().map(|it| (&it.check.namespace, &it.check.id)).collect();
    ids.sort();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(format!("the check {:?} is there twice", twice[0].1));
    }
    let bytes = bytes_of(registration);
    if bytes > limits::REGISTRY_BYTES {
        let most = limits::REGISTRY_BYTES;
        return refuse(format!("a registration of {bytes} bytes; at most {most} are allowed"));
    }
    Ok(())
}

fn check_mirrors(mirrors: &[Mirror]) -> Result<(), Fault> {
    few("nodes", mirrors.len(), limits::REGISTRY_MIRRORS)?;
    for Mirror { name: of, node, .. } in mirrors {
        name("a node's name", of)?;
        let Some((node, checks)) = node else { continue };
        check_node(node)?;
        few("checks", checks.len(), limits::REGISTRY_CHECKS_BESIDE)?;
        checks.iter().try_for_each(check_check)?;
        if node.name != *of || checks.iter().any(|check| !check.is_of_node()) {
            return refuse(format!("what is said of the node {of:?} is of another"));
        }
    }
    Ok(())
}

fn check_node(node: &Node) -> Result<(), Fault> {
    name("a node's name", &node.name)?;
    short("a node's id", &node.id, limits::REGISTRY_NAME_BYTES)?;
    short("a node's address", &node.address, limits::REGISTRY_VALUE_BYTES)?;
    pairs("a node's addresses", &node.tagged_addresses)?;
    pairs("a node's metadata", &node.meta)
}

fn check_instance(instance: &Instance) -> Result<(), Fault> {
    name("a namespace", &instance.namespace)?;
    name("a service's name", &instance.service)?;
    name("an instance's id", &instance.id)?;
    short("an instance's address", &instance.address, limits::REGISTRY_VALUE_BYTES)?;
    short("a zone", &instance.zone, limits::REGISTRY_NAME_BYTES)?;
    few("tags", instance.tags.len(), limits::REGISTRY_TAGS)?;
    for tag in instance.tags.iter() {
        short("a tag", tag, limits::REGISTRY_NAME_BYTES)?;
    }
    pairs("an instance's metadata", &instance.meta)?;
    few("addresses", instance.tagged_addresses.len(), limits::REGISTRY_PAIRS)?;
    for tagged in &instance.tagged_addresses {
        name("an address's tag", &tagged.tag)?;
        short("an instance's address", &tagged.address, limits::REGISTRY_VALUE_BYTES)?;
    }
    if !instance.tagged_addresses.is_sorted_by(|one, next| one.tag < next.tag) {
        return refuse("an instance's addresses are not in order, or one is there twice".into());
    }
    Ok(())
}

fn check_check(check: &Check) -> Result<(), Fault> {
    name("a namespace", &check.namespace)?;
    name("a check's id", &check.id)?;
    short("an instance's id", &check.instance, limits::REGISTRY_NAME_BYTES)?;
    short("a check's name", &check.name, limits::REGISTRY_NAME_BYTES)?;
    short("a check's kind", &check.kind, limits::REGISTRY_NAME_BYTES)?;
    text("a check's notes", &check.notes)?;
    text("a check's output", &check.output)?;
    let Definition { ttl_ms, interval_ms, timeout_ms, deregister_after_ms, .. } = check.definition;
    let most = limits::REGISTRY_PERIOD_MS;
    if [ttl_ms, interval_ms, timeout_ms, deregister_after_ms].iter().any(|period| *period > most) {
        return refuse(format!("a check waits for at most {most} ms"));
    }
    Ok(())
}

fn check_session(session: &Session) -> Result<(), Fault> {
    name("a session's id", &session.id)?;
    short("a session's name", &session.name, limits::REGISTRY_NAME_BYTES)?;
    name("a node's name", &session.node)?;
    let (least, most) = (limits::REGISTRY_SESSION_TTL_MS_MIN, limits::REGISTRY_SESSION_TTL_MS);
    // Consul's words: clients look for them.
    if session.ttl_ms != 0 && !(least..=most).contains(&session.ttl_ms) {
        let ttl = session.ttl_ms.saturating_mul(1_000_000);
        return refuse(format!("Invalid Session TTL '{ttl}', must be between [10s=24h0m0s]"));
    }
    if session.lock_delay_ms > limits::REGISTRY_LOCK_DELAY_MS {
        let most = limits::REGISTRY_LOCK_DELAY_MS;
        return refuse(format!("a lock's delay is at most {most} ms"));
    }
    few("node checks", session.node_checks.len(), limits::REGISTRY_CHECKS)?;
    few("service checks", session.service_checks.len(), limits::REGISTRY_CHECKS)?;
    for id in session.node_checks.iter() {
        name("a check's id", id)?;
    }
    for (namespace, id) in session.service_checks.iter() {
        name("a namespace", namespace)?;
        name("a check's id", id)?;
    }
    Ok(())
}

fn check_expiries(expiries: &[Expiry]) -> Result<(), Fault> {
    few("expiries", expiries.len(), limits::REGISTRY_EXPIRIES)?;
    expiries.iter().try_for_each(|expiry| match expiry {
        Expiry::Check { check, .. } | Expiry::Instance { check, .. } => check_key(check),
        Expiry::Session { id, .. } => name("a session's id", id),
    })
}

fn check_step(step: &RestoreStep) -> Result<(), Fault> {
    match step {
        RestoreStep::Stage { restore, bytes, .. } => {
            name("a restore's id", restore)?;
            few("bytes in a part", bytes.len(), limits::REGISTRY_PART_BYTES)
        }
        RestoreStep::CarryOut { restore, .. } | RestoreStep::Abandon { restore } => {
            name("a restore's id", restore)
        }
    }
}

pub(super) fn check_kv(write: &KvWrite) -> Result<(), Fault> {
    check_kv_size(write)?;
    match &write.condition {
        KvCondition::Acquire(session) | KvCondition::Release(session) => {
            name("a session's id", session)
        }
        KvCondition::Always | KvCondition::Index(_) => Ok(()),
    }
}

fn check_kv_size(write: &KvWrite) -> Result<(), Fault> {
    check_kv_key(&write.key)?;
    if write.value.len() > limits::REGISTRY_KV_BYTES {
        return Err(Code::RequestTooLarge.into());
    }
    Ok(())
}

pub(super) fn check_kv_key(key: &Bytes) -> Result<(), Fault> {
    if key.is_empty() { Err(Code::EmptyKey.into()) } else { check_kv_prefix(key) }
}

fn check_kv_prefix(prefix: &Bytes) -> Result<(), Fault> {
    let (length, most) = (prefix.len(), limits::KEY_BYTES);
    if length > most {
        return refuse(format!("a key of {length} bytes; at most {most} are allowed"));
    }
    Ok(())
}

pub(super) fn check_txn(ops: &[TxnOp]) -> Result<(), Fault> {
    few("operations", ops.len(), limits::REGISTRY_TXN_OPERATIONS)?;
    let mut bytes = 0;
    for op in ops {
        bytes += match op {
            TxnOp::Kv(op) => check_kv_op(op)?,
            TxnOp::Catalog(op) => check_catalog_op(op)?,
        };
    }
    if bytes > limits::REQUEST_BYTES {
        return Err(Code::RequestTooLarge.into());
    }
    Ok(())
}

/// Answers how many bytes of keys and values there are.
fn check_kv_op(op: &KvOp) -> Result<usize, Fault> {
    let mut bytes = op.range().start.len();
    match op {
        // Whether it names a session at all is an error of the operation.
        KvOp::Put(write) => {
            check_kv_size(write)?;
            bytes += write.value.len();
            if let KvCondition::Acquire(id) | KvCondition::Release(id) = &write.condition {
                short("a session's id", id, limits::REGISTRY_NAME_BYTES)?;
            }
        }
        KvOp::GetTree { prefix } | KvOp::DeleteTree { prefix } => check_kv_prefix(prefix)?,
        KvOp::CheckSession { key, session } => {
            check_kv_key(key)?;
            short("a session's id", session, limits::REGISTRY_NAME_BYTES)?;
        }
        KvOp::Get { key }
        | KvOp::GetOrEmpty { key }
        | KvOp::CheckIndex { key, .. }
        | KvOp::CheckNotExists { key }
        | KvOp::Delete { key }
        | KvOp::DeleteIndex { key, .. } => check_kv_key(key)?,
    }
    Ok(bytes)
}

/// Answers how many bytes of texts there are.
fn check_catalog_op(op: &CatalogOp) -> Result<usize, Fault> {
    let bytes = match op {
        CatalogOp::GetNode { name: node, id } => {
            name("a node's name", node)?;
            short("a node's id", id, limits::REGISTRY_NAME_BYTES)?;
            0
        }
        CatalogOp::SetNode { node, .. } => {
            check_node(node)?;
            bytes_of_node(node)
        }
        CatalogOp::DeleteNode { name: node, .. } => {
            name("a node's name", node)?;
            0
        }
        CatalogOp::SetInstance { instance, .. } => {
            name("a node's name", &instance.node)?;
            check_instance(instance)?;
            bytes_of_instance(instance)
        }
        CatalogOp::GetInstance(key) | CatalogOp::DeleteInstance { key, .. } => {
            check_instance_key(key)?;
            0
        }
        CatalogOp::SetCheck { check, .. } => {
            name("a node's name", &check.node)?;
            check_check(check)?;
            bytes_of_check(check)
        }
        CatalogOp::GetCheck(key) | CatalogOp::DeleteCheck { key, .. } => {
            check_key(key)?;
            0
        }
    };
    if bytes > limits::REGISTRY_BYTES {
        let most = limits::REGISTRY_BYTES;
        return refuse(format!("a record of {bytes} bytes; at most {most} are allowed"))
            .map(|()| 0);
    }
    Ok(bytes)
}

fn bytes_of_texts(texts: &[&Name]) -> usize {
    texts.iter().map(|text| text.len()).sum()
}

fn bytes_of_pairs(pairs: &[(Name, Name)]) -> usize {
    pairs.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn bytes_of_node(node: &Node) -> usize {
    bytes_of_texts(&[&node.name, &node.id, &node.address])
        + bytes_of_pairs(&node.meta)
        + bytes_of_pairs(&node.tagged_addresses)
}

fn bytes_of_instance(it: &Instance) -> usize {
    let tagged = it.tagged_addresses.iter();
    bytes_of_texts(&[&it.namespace, &it.id, &it.service, &it.address, &it.zone])
        + it.tags.iter().map(|tag| tag.len()).sum::<usize>()
        + tagged.map(|it| it.tag.len() + it.address.len()).sum::<usize>()
        + bytes_of_pairs(&it.meta)
        + it.extra.len()
}

fn bytes_of_check(it: &Check) -> usize {
    bytes_of_texts(&[&it.namespace, &it.id, &it.instance, &it.name])
        + bytes_of_texts(&[&it.notes, &it.output, &it.kind])
        + it.definition.target.len()
}

/// Bytes of every text in it.
fn bytes_of(registration: &Registration) -> usize {
    let Registration { node, instance, checks, .. } = registration;
    bytes_of_node(node)
        + instance.as_ref().map_or(0, bytes_of_instance)
        + checks.iter().map(|it| bytes_of_check(&it.check)).sum::<usize>()
}
