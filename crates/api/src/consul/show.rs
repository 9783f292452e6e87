//! Records as Consul's clients are shown them.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use state::registry::query::{Member, NamedCheck};
use state::registry::{Check, Definition, Instance, Name, Node, Pairs, Session, Status, Weights};

use super::duration;

/// Texts by their keys.
pub(super) struct Texts<'a>(pub(super) &'a Pairs);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            map.serialize_entry(&**key, &**value)?;
        }
        map.end()
    }
}

struct List<'a>(&'a [Name]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|text| &**text))
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownWeights {
    passing: u32,
    warning: u32,
}

impl From<Weights> for ShownWeights {
    fn from(weights: Weights) -> Self {
        Self { passing: weights.passing, warning: weights.warning }
    }
}

struct Addresses<'a>(&'a Instance);

impl Serialize for Addresses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Address<'a> {
            address: &'a str,
            port: u16,
        }
        let all = self.0.tagged_addresses.iter();
        serializer
            .collect_map(all.map(|it| (&*it.tag, Address { address: &it.address, port: it.port })))
    }
}

fn has_no_addresses(addresses: &Addresses<'_>) -> bool {
    addresses.0.tagged_addresses.is_empty()
}

/// What an instance was registered with beside what is understood.
pub(super) fn extra(instance: &Instance) -> Map<String, Value> {
    serde_json::from_slice(&instance.extra).unwrap_or_default()
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// A status by Consul's name.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Passing => "passing",
        Status::Warning => "warning",
        Status::Critical => "critical",
    }
}

fn index(revision: types::Revision) -> i64 {
    revision.get()
}

/// A node, as `/catalog/nodes` and `/health/service` have it.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownNode<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: Texts<'a>,
    meta: Texts<'a>,
    create_index: i64,
    modify_index: i64,
}

pub(super) fn node<'a>(node: &'a Node, datacenter: &'a str) -> ShownNode<'a> {
    ShownNode {
        id: &node.id,
        node: &node.name,
        address: &node.address,
        datacenter,
        tagged_addresses: Texts(&node.tagged_addresses),
        meta: Texts(&node.meta),
        create_index: index(node.created),
        modify_index: index(node.modified),
    }
}

/// An instance, as health and catalog have it beside its node.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownInstance<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: List<'a>,
    address: &'a str,
    #[serde(skip_serializing_if = "has_no_addresses")]
    tagged_addresses: Addresses<'a>,
    meta: Texts<'a>,
    port: u16,
    weights: ShownWeights,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_index: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modify_index: Option<i64>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

fn shown(instance: &Instance) -> ShownInstance<'_> {
    ShownInstance {
        id: &instance.id,
        service: &instance.service,
        tags: List(&instance.tags),
        address: &instance.address,
        tagged_addresses: Addresses(instance),
        meta: Texts(&instance.meta),
        port: instance.port,
        weights: instance.weights.into(),
        enable_tag_override: instance.enable_tag_override,
        datacenter: None,
        create_index: None,
        modify_index: None,
        extra: extra(instance),
    }
}

/// An instance with its indexes.
pub(super) fn instance(instance: &Instance) -> ShownInstance<'_> {
    let mut shown = shown(instance);
    for name in ["Proxy", "Connect"] {
        shown.extra.entry(name).or_insert_with(empty);
    }
    shown.create_index = Some(index(instance.created));
    shown.modify_index = Some(index(instance.modified));
    shown
}

/// An instance as its agent shows it.
pub(super) fn agent_instance<'a>(instance: &'a Instance, datacenter: &'a str) -> ShownInstance<'a> {
    ShownInstance { datacenter: Some(datacenter), ..shown(instance) }
}

/// An element of `/catalog/service/:name`.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownPlace<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: Texts<'a>,
    node_meta: Texts<'a>,
    service_kind: Value,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: List<'a>,
    service_address: &'a str,
    service_tagged_addresses: Addresses<'a>,
    service_weights: ShownWeights,
    service_meta: Texts<'a>,
    service_port: u16,
    service_socket_path: Value,
    service_enable_tag_override: bool,
    service_proxy: Value,
    service_connect: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    service_locality: Value,
    create_index: i64,
    modify_index: i64,
}

pub(super) fn place<'a>(member: &'a Member, datacenter: &'a str) -> ShownPlace<'a> {
    let (node, instance) = (&member.node, &member.instance);
    let mut extra = extra(instance);
    let mut take = |name: &str, other: Value| extra.remove(name).unwrap_or(other);
    ShownPlace {
        id: &node.id,
        node: &node.name,
        address: &node.address,
        datacenter,
        tagged_addresses: Texts(&node.tagged_addresses),
        node_meta: Texts(&node.meta),
        service_kind: take("Kind", "".into()),
        service_id: &instance.id,
        service_name: &instance.service,
        service_tags: List(&instance.tags),
        service_address: &instance.address,
        service_tagged_addresses: Addresses(instance),
        service_weights: instance.weights.into(),
        service_meta: Texts(&instance.meta),
        service_port: instance.port,
        service_socket_path: take("SocketPath", "".into()),
        service_enable_tag_override: instance.enable_tag_override,
        service_proxy: take("Proxy", empty()),
        service_connect: take("Connect", empty()),
        service_locality: take("Locality", Value::Null),
        create_index: index(instance.created),
        modify_index: index(instance.modified),
    }
}

/// A check, as health has it.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownCheck<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    id: &'a str,
    name: &'a str,
    status: &'static str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: List<'a>,
    #[serde(rename = "Type")]
    kind: &'a str,
    interval: String,
    timeout: String,
    exposed_port: u16,
    definition: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_index: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modify_index: Option<i64>,
}

fn millis(millis: u64) -> Option<String> {
    (millis > 0).then(|| duration::format(Duration::from_millis(millis)))
}

/// How a check is made, in Consul's words.
pub(super) fn definition(definition: &Definition) -> Map<String, Value> {
    let mut shown: Map<String, Value> =
        serde_json::from_slice(&definition.target).unwrap_or_default();
    let times = [
        ("Interval", definition.interval_ms),
        ("Timeout", definition.timeout_ms),
        ("DeregisterCriticalServiceAfter", definition.deregister_after_ms),
        ("TTL", definition.ttl_ms),
    ];
    for (name, time) in times {
        if let Some(text) = millis(time) {
            shown.insert(name.to_owned(), text.into());
        }
    }
    shown
}

pub(super) fn check<'a>(check: &'a Check, instance: Option<&'a Instance>) -> ShownCheck<'a> {
    ShownCheck {
        node: &check.node,
        id: &check.id,
        name: &check.name,
        status: status(check.status),
        notes: &check.notes,
        output: &check.output,
        service_id: &check.instance,
        service_name: instance.map_or("", |it| &it.service),
        service_tags: List(instance.map_or(&[], |it| &it.tags)),
        kind: &check.kind,
        interval: millis(check.definition.interval_ms).unwrap_or_default(),
        timeout: millis(check.definition.timeout_ms).unwrap_or_default(),
        exposed_port: 0,
        definition: definition(&check.definition),
        create_index: Some(index(check.created)),
        modify_index: Some(index(check.modified)),
    }
}

pub(super) fn named_check(named: &NamedCheck) -> ShownCheck<'_> {
    check(&named.check, named.instance.as_deref())
}

/// An element of `/health/service/:name`.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownMember<'a> {
    node: ShownNode<'a>,
    service: ShownInstance<'a>,
    checks: Vec<ShownCheck<'a>>,
}

pub(super) fn member<'a>(member: &'a Member, datacenter: &'a str) -> ShownMember<'a> {
    let of =
        |it: &'a std::sync::Arc<Check>| check(it, (!it.is_of_node()).then_some(&*member.instance));
    ShownMember {
        node: node(&member.node, datacenter),
        service: instance(&member.instance),
        checks: member.checks.iter().map(of).collect(),
    }
}

/// A session, as `/session/info/:id` has it.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownSession<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    node: &'a str,
    lock_delay: u64,
    behavior: &'static str,
    #[serde(rename = "TTL")]
    ttl: String,
    node_checks: List<'a>,
    /// `null` for none.
    service_checks: Option<Vec<Value>>,
    create_index: i64,
    modify_index: i64,
}

pub(super) fn session(session: &Session) -> ShownSession<'_> {
    let of_services = session.service_checks.iter().map(|(namespace, id)| {
        let namespace =
            if &**namespace == state::registry::DEFAULT_NAMESPACE { "" } else { &**namespace };
        serde_json::json!({ "ID": &**id, "Namespace": namespace })
    });
    ShownSession {
        id: &session.id,
        name: &session.name,
        node: &session.node,
        lock_delay: session.lock_delay_ms.saturating_mul(1_000_000),
        behavior: match session.behavior {
            state::registry::Behavior::Release => "release",
            state::registry::Behavior::Delete => "delete",
        },
        ttl: millis(session.ttl_ms).unwrap_or_default(),
        node_checks: List(&session.node_checks),
        service_checks: (!session.service_checks.is_empty()).then(|| of_services.collect()),
        create_index: index(session.created),
        modify_index: index(session.modified),
    }
}
