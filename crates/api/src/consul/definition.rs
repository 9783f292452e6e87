//! Instances and checks as clients define them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node::probe::{Networks, Target};
use serde_json::{Map, Value};
use state::registry::{
    Check, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance, Name, Node, Status,
    TaggedAddress, TimerId, Weights,
};
use types::Revision;

use super::input::Input;
use super::problem::Problem;

/// How often it is looked how something stands that another check is an alias of.
const ALIAS_INTERVAL_MS: u64 = 1_000;
/// How often a check is made at most.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// What a definition of an instance has that is only given back: our names and Consul's.
const EXTRAS: [(&str, &str); 6] = [
    ("kind", "Kind"),
    ("proxy", "Proxy"),
    ("connect", "Connect"),
    ("socketpath", "SocketPath"),
    ("locality", "Locality"),
    ("ports", "Ports"),
];

/// What tells how a check is made, as it was given.
const TARGETS: [(&str, &str); 17] = [
    ("http", "HTTP"),
    ("method", "Method"),
    ("header", "Header"),
    ("body", "Body"),
    ("disableredirects", "DisableRedirects"),
    ("tlsservername", "TLSServerName"),
    ("tlsskipverify", "TLSSkipVerify"),
    ("tcp", "TCP"),
    ("tcpusetls", "TCPUseTLS"),
    ("udp", "UDP"),
    ("grpc", "GRPC"),
    ("grpcusetls", "GRPCUseTLS"),
    ("h2ping", "H2PING"),
    ("h2pingusetls", "H2PingUseTLS"),
    ("aliasnode", "AliasNode"),
    ("aliasservice", "AliasService"),
    ("outputmaxsize", "OutputMaxSize"),
];

fn kept(input: &Input<'_>, names: &[(&str, &str)]) -> Box<[u8]> {
    let found = names.iter().filter_map(|(plain, name)| {
        let value = input.get(&[plain])?;
        // What is as if it were not there stays away.
        let empty = match value {
            Value::Bool(truth) => !truth,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(object) => object.is_empty(),
            Value::Number(number) => number.as_u64() == Some(0),
            Value::Null => true,
        };
        (!empty).then(|| ((*name).to_owned(), value.clone()))
    });
    let object: Map<String, Value> = found.collect();
    if object.is_empty() {
        return Box::default();
    }
    serde_json::to_vec(&object).unwrap_or_default().into()
}

/// A node, as the catalog takes it.
pub(super) fn node(input: &Input<'_>, name: &Name) -> Result<Node, Problem> {
    Ok(Node {
        name: Name::clone(name),
        id: input.name(&["id"])?,
        address: input.name(&["address"])?,
        tagged_addresses: input.pairs(&["taggedaddresses"])?,
        meta: input.pairs(&["nodemeta", "meta"])?,
        created: Revision(0),
        modified: Revision(0),
    })
}

/// An instance on `node`, from a definition of the agent's or the catalog's.
pub(super) fn instance(input: &Input<'_>, node: &Name) -> Result<Instance, Problem> {
    let service = input.name(&["name", "service"])?;
    if service.is_empty() {
        return Err(Problem::bad("Missing service name"));
    }
    let id = input.name(&["id"])?;
    let weights = match input.object(&["weights"])? {
        None => Weights::default(),
        Some(weights) => {
            let of = |name| weights.number(&[name], u64::from(u16::MAX)).map(|it| it as u32);
            // Go's client sends zeros for whoever said nothing.
            match (of("passing")?, of("warning")?) {
                (0, 0) => Weights::default(),
                (passing, warning) => Weights { passing, warning },
            }
        }
    };
    Ok(Instance {
        node: Name::clone(node),
        namespace: DEFAULT_NAMESPACE.into(),
        id: if id.is_empty() { Name::clone(&service) } else { id },
        service,
        tags: Arc::from(input.texts(&["tags"])?),
        address: input.name(&["address"])?,
        port: port(input, "port")?,
        meta: input.pairs(&["meta"])?,
        weights,
        enable_tag_override: input.truth(&["enabletagoverride"])?,
        tagged_addresses: tagged_addresses(input)?,
        zone: match input.object(&["locality"])? {
            Some(locality) => locality.name(&["zone"])?,
            None => "".into(),
        },
        extra: kept(input, &EXTRAS),
        created: Revision(0),
        modified: Revision(0),
    })
}

fn port(input: &Input<'_>, name: &str) -> Result<u16, Problem> {
    Ok(u16::try_from(input.number(&[name], u64::from(u16::MAX))?).unwrap_or(0))
}

fn tagged_addresses(input: &Input<'_>) -> Result<Box<[TaggedAddress]>, Problem> {
    let object = match input.get(&["taggedaddresses"]) {
        None => return Ok(Box::default()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(Problem::bad("Request decode failed: TaggedAddresses is no object")),
    };
    let mut addresses = BTreeMap::new();
    for (tag, value) in object {
        let address = Input::of(value)?;
        let address = TaggedAddress {
            tag: tag.as_str().into(),
            address: address.name(&["address"])?,
            port: port(&address, "port")?,
        };
        addresses.insert(tag, address);
    }
    Ok(addresses.into_values().collect())
}

/// What a check is of, where its definition does not say it.
pub(super) struct Of<'a> {
    pub(super) node: &'a Name,
    /// The id of its instance; empty for the node.
    pub(super) instance: &'a str,
    /// Its id and its name, for one that has none.
    pub(super) id: String,
    pub(super) name: String,
}

/// A check whose time or interval must make sense, as agents take them.
pub(super) fn agent_check(
    input: &Input<'_>,
    of: Of<'_>,
    networks: &Networks,
) -> Result<CheckRegistration, Problem> {
    let runs_script = !input.list(&["args", "scriptargs"])?.is_empty()
        || !input.text(&["script"])?.is_empty()
        || !input.text(&["dockercontainerid"])?.is_empty();
    if runs_script {
        return Err(Problem::bad(
            "Invalid check: Scripts are disabled on this agent; servers here run none: use a TTL check and \
             report to it",
        ));
    }
    let mut registered = check(input, of, Status::Critical)?;
    if &*registered.check.kind == "alias" {
        registered.check.definition.interval_ms = ALIAS_INTERVAL_MS;
    }
    let definition = &registered.check.definition;
    if definition.ttl_ms > 0 && definition.interval_ms > 0 {
        return Err(Problem::bad("Invalid check: Interval and TTL cannot both be specified"));
    }
    match &*registered.check.kind {
        "" => Err(Problem::bad("Invalid check: TTL must be > 0 for TTL checks")),
        kind @ ("udp" | "h2ping") => Err(Problem::bad(format!(
            "Invalid check: {kind} checks are not made here: use TTL, HTTP, TCP, gRPC or an alias"
        ))),
        "ttl" | "alias" => Ok(registered),
        _ if definition.interval_ms == 0 => Err(Problem::bad(
            "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
        )),
        _ => {
            let target = Target::parse(&definition.target).and_then(|it| it.is_allowed(networks));
            target.map_err(|error| Problem::bad(format!("Invalid check: {error}")))?;
            Ok(registered)
        }
    }
}

/// A check as it is defined, whoever makes it.
fn check(input: &Input<'_>, of: Of<'_>, status: Status) -> Result<CheckRegistration, Problem> {
    let (id, name) = (input.text(&["checkid", "id"])?, input.text(&["name"])?);
    let id = if !id.is_empty() {
        id.to_owned()
    } else if of.id.is_empty() {
        name.to_owned()
    } else {
        of.id
    };
    if id.is_empty() {
        return Err(Problem::bad("Must provide a CheckID or a Name of the check"));
    }
    let name = if !name.is_empty() {
        name
    } else if of.name.is_empty() {
        &id
    } else {
        &of.name
    };
    let instance = match input.text(&["serviceid"])? {
        "" => of.instance,
        named => named,
    };
    let nested = input.object(&["definition"])?;
    let definition = definition(nested.as_ref().unwrap_or(input))?;
    let kind = kind(nested.as_ref().unwrap_or(input), &definition)?;
    let given = input.text(&["type"])?;
    let check = Check {
        node: Name::clone(of.node),
        namespace: DEFAULT_NAMESPACE.into(),
        id: id.as_str().into(),
        instance: instance.into(),
        name: name.into(),
        status: match input.text(&["status"])? {
            "" => status,
            text => parse_status(text)?,
        },
        notes: input.name(&["notes"])?,
        output: input.name(&["output"])?,
        kind: if given.is_empty() { kind.into() } else { given.into() },
        definition,
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    Ok(CheckRegistration { check, keep_status: false })
}

/// A check as the catalog takes it: somebody else makes it and counts for it, so how it is made is only
/// given back, as is the name.
pub(super) fn catalog_check(input: &Input<'_>, node: &Name) -> Result<Check, Problem> {
    let of = Of { node, instance: "", id: String::new(), name: String::new() };
    let CheckRegistration { mut check, .. } = check(input, of, Status::Critical)?;
    check.name = input.name(&["name"])?;
    let definition = &mut check.definition;
    let shown = super::show::definition(definition);
    let target = if shown.is_empty() {
        Box::default()
    } else {
        serde_json::to_vec(&shown).unwrap_or_default().into()
    };
    *definition = Definition { target, ..Definition::default() };
    Ok(check)
}

/// A status by Consul's name.
pub(super) fn parse_status(text: &str) -> Result<Status, Problem> {
    match text {
        "passing" => Ok(Status::Passing),
        "warning" => Ok(Status::Warning),
        "critical" => Ok(Status::Critical),
        other => Err(Problem::bad(format!("Invalid check status: {other:?}"))),
    }
}

fn definition(input: &Input<'_>) -> Result<Definition, Problem> {
    let millis = |names: &[&str]| -> Result<u64, Problem> {
        let time = input.duration(names)?.unwrap_or_default();
        Ok(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    };
    let times = |name: &str| -> Result<u8, Problem> {
        Ok(u8::try_from(input.number(&[name], 255)?).unwrap_or(u8::MAX))
    };
    let interval = input.duration(&["interval", "intervalduration"])?;
    let interval = interval.filter(|it| !it.is_zero()).map(|it| it.max(SHORTEST_INTERVAL));
    Ok(Definition {
        ttl_ms: millis(&["ttl"])?,
        interval_ms: interval.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        timeout_ms: millis(&["timeout", "timeoutduration"])?,
        deregister_after_ms: millis(&[
            "deregistercriticalserviceafter",
            "deregistercriticalserviceafterduration",
        ])?,
        success_before_passing: times("successbeforepassing")?,
        failures_before_warning: times("failuresbeforewarning")?,
        failures_before_critical: times("failuresbeforecritical")?,
        target: kept(input, &TARGETS),
    })
}

fn kind(input: &Input<'_>, definition: &Definition) -> Result<&'static str, Problem> {
    if definition.ttl_ms > 0 {
        return Ok("ttl");
    }
    for kind in ["http", "tcp", "grpc", "udp", "h2ping"] {
        if !input.text(&[kind])?.is_empty() {
            return Ok(kind);
        }
    }
    let alias = input.text(&["aliasservice"])?.len() + input.text(&["aliasnode"])?.len();
    Ok(if alias > 0 { "alias" } else { "" })
}
