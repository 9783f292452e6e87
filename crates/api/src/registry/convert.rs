//! Between the wire's words and the registry's.

use std::collections::HashMap;
use std::sync::Arc;

use node::{Delta, Seen};
use proto::hiraeth::v1 as pb;
use state::registry::{
    Check, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance, InstanceKey, Name, Node,
    Pairs, Registration, Status, TimerId, Weights,
};
use tonic::Status as Refusal;
use types::Revision;

/// The shortest silence that can be told from a slow network.
const SHORTEST_TTL_MS: u64 = 1_000;

fn refuse(why: impl std::fmt::Display) -> Refusal {
    Refusal::invalid_argument(format!("hiraeth: invalid request: {why}"))
}

/// The namespace that is meant.
pub(super) fn namespace(named: &str) -> &str {
    if named.is_empty() { DEFAULT_NAMESPACE } else { named }
}

/// The check that beats keep passing.
pub(super) fn check_id(instance: &str) -> String {
    format!("service:{instance}")
}

pub(super) fn key(namespace_: &str, node: &str, id: &str) -> Result<InstanceKey, Refusal> {
    if node.is_empty() || id.is_empty() {
        return Err(refuse("an instance is named by its node and its id"));
    }
    Ok(InstanceKey::new(node, namespace(namespace_), id))
}

fn pairs(map: HashMap<String, String>) -> Pairs {
    let mut pairs: Vec<(Name, Name)> =
        map.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    pairs.sort();
    pairs.into()
}

/// What registering an instance takes; it is alive, or nobody would register it.
pub(super) fn registration(asked: pb::Instance) -> Result<Registration, Refusal> {
    if asked.service.is_empty() {
        return Err(refuse("`service` is missing"));
    }
    if asked.address.is_empty() && asked.node.is_empty() {
        return Err(refuse("an instance needs an address, or a node"));
    }
    if asked.ttl_ms > 0 && asked.ttl_ms < SHORTEST_TTL_MS {
        return Err(refuse(format!(
            "`ttl_ms` is {}, and at least {SHORTEST_TTL_MS}",
            asked.ttl_ms
        )));
    }
    let port = u16::try_from(asked.port)
        .map_err(|_| refuse(format!("`port` is {}, and at most 65535", asked.port)))?;
    let node: Name = match asked.node.as_str() {
        "" => asked.address.as_str().into(),
        named => named.into(),
    };
    let id: Name = match asked.id.as_str() {
        "" => format!("{}-{port}", asked.service).into(),
        named => named.into(),
    };
    let namespace: Name = namespace(&asked.namespace).into();
    let zero = Revision(0);
    let check = (asked.ttl_ms > 0).then(|| Check {
        node: Name::clone(&node),
        namespace: Name::clone(&namespace),
        id: check_id(&id).into(),
        instance: Name::clone(&id),
        name: "heartbeat".into(),
        status: Status::Passing,
        notes: "".into(),
        output: "".into(),
        kind: "ttl".into(),
        definition: Definition {
            ttl_ms: asked.ttl_ms,
            deregister_after_ms: asked.deregister_after_ms,
            ..Definition::default()
        },
        timer: TimerId(0),
        created: zero,
        modified: zero,
    });
    let weight = asked.weight.clamp(1, u32::from(u16::MAX));
    let instance = Instance {
        node: Name::clone(&node),
        namespace,
        id,
        service: asked.service.into(),
        tags: asked.tags.into_iter().map(Name::from).collect(),
        address: asked.address.as_str().into(),
        port,
        meta: pairs(asked.meta),
        weights: Weights { passing: weight, warning: weight },
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: asked.zone.into(),
        extra: Box::default(),
        created: zero,
        modified: zero,
    };
    let address = if asked.address.is_empty() { Name::clone(&node) } else { asked.address.into() };
    let node = Node {
        name: node,
        id: "".into(),
        address,
        tagged_addresses: Arc::from([]),
        meta: Arc::from([]),
        created: zero,
        modified: zero,
    };
    let checks = check.into_iter().map(|check| CheckRegistration { check, keep_status: false });
    Ok(Registration {
        node,
        skip_node_update: true,
        instance: Some(instance),
        checks: checks.collect(),
        replace_checks: false,
    })
}

fn status(status: Status) -> pb::InstanceStatus {
    match status {
        Status::Passing => pb::InstanceStatus::Passing,
        Status::Warning => pb::InstanceStatus::Warning,
        Status::Critical => pb::InstanceStatus::Critical,
    }
}

/// An instance as it is told; without an address of its own it is where its node is.
pub(super) fn instance(seen: &Seen) -> pb::Instance {
    let Seen { node, instance, .. } = seen;
    let address = if instance.address.is_empty() { &node.address } else { &instance.address };
    pb::Instance {
        namespace: instance.namespace.to_string(),
        service: instance.service.to_string(),
        id: instance.id.to_string(),
        node: instance.node.to_string(),
        address: address.to_string(),
        port: u32::from(instance.port),
        tags: instance.tags.iter().map(|tag| tag.to_string()).collect(),
        meta: instance.meta.iter().map(|(key, it)| (key.to_string(), it.to_string())).collect(),
        weight: instance.weights.passing,
        zone: instance.zone.to_string(),
        ttl_ms: 0,
        deregister_after_ms: 0,
        status: status(seen.status).into(),
        created: instance.created.get(),
        modified: instance.modified.get(),
    }
}

/// What became of a service.
pub(super) fn change(delta: &Delta) -> pb::Change {
    let gone = delta
        .gone
        .iter()
        .map(|(node, id)| pb::Place { node: node.to_string(), id: id.to_string() });
    pb::Change {
        version: delta.to.get(),
        everything: delta.from == Revision(0),
        changed: delta.changed.iter().map(instance).collect(),
        gone: gone.collect(),
    }
}
