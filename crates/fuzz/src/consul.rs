//! Requests to Consul's routes: paths, parameters and JSON that mostly almost fit.

use serde_json::{Value, json};

use crate::calls::spoil;
use crate::input::{Call, Piece};
use crate::random::Random;

/// Methods and paths; one that ends with `/` has something behind it.
const ROUTES: [(&str, &str); 48] = [
    ("GET", "kv/"),
    ("PUT", "kv/"),
    ("DELETE", "kv/"),
    ("PUT", "txn"),
    ("GET", "agent/self"),
    ("GET", "agent/members"),
    ("GET", "agent/services"),
    ("GET", "agent/service/"),
    ("GET", "agent/checks"),
    ("PUT", "agent/service/register"),
    ("PUT", "agent/service/register"),
    ("PUT", "agent/service/deregister/"),
    ("PUT", "agent/service/maintenance/"),
    ("PUT", "agent/maintenance"),
    ("PUT", "agent/check/register"),
    ("PUT", "agent/check/pass/"),
    ("PUT", "agent/check/update/"),
    ("GET", "agent/health/service/id/"),
    ("GET", "agent/health/service/name/"),
    ("PUT", "agent/token/"),
    ("GET", "catalog/nodes"),
    ("GET", "catalog/services"),
    ("GET", "catalog/service/"),
    ("GET", "catalog/node/"),
    ("GET", "catalog/node-services/"),
    ("PUT", "catalog/register"),
    ("PUT", "catalog/register"),
    ("PUT", "catalog/deregister"),
    ("GET", "health/service/"),
    ("GET", "health/node/"),
    ("GET", "health/checks/"),
    ("GET", "health/state/"),
    ("PUT", "session/create"),
    ("PUT", "session/destroy/"),
    ("PUT", "session/renew/"),
    ("GET", "session/info/"),
    ("GET", "session/list"),
    ("PUT", "event/fire/"),
    ("GET", "event/list"),
    ("POST", "query"),
    ("GET", "query/"),
    ("PUT", "query/"),
    ("PUT", "config"),
    ("GET", "config/"),
    ("PUT", "coordinate/update"),
    ("DELETE", "operator/raft/peer"),
    ("GET", "operator/usage"),
    ("GET", "acl/"),
];
const NAMES: [&str; 16] = [
    "",
    "a",
    "web",
    "consul",
    "n1",
    "service:web",
    "%2f",
    "%00",
    "%ff",
    "a/b",
    "..",
    "web/execute",
    "any",
    "service-defaults/x",
    "mesh",
    "00000000-0000-0000-0000-000000000000",
];
const PARAMETERS: [&str; 24] = [
    "index",
    "wait",
    "stale",
    "consistent",
    "cached",
    "passing",
    "tag",
    "near",
    "filter",
    "node-meta",
    "dc",
    "recurse",
    "keys",
    "separator",
    "cas",
    "acquire",
    "release",
    "flags",
    "enable",
    "limit",
    "pretty",
    "id",
    "address",
    "peer",
];
const VALUES: [&str; 20] = [
    "",
    "0",
    "1",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "10ms",
    "x",
    "true",
    "false",
    "dc1",
    "dc2",
    "a:b",
    "Node%20==%20a",
    "a%20in%20Service.Tags",
    "not%20(",
    "%22%5c",
    "%60",
    "%ff",
    "Name%20matches%20%22(((%22",
];
const FIELDS: [&str; 36] = [
    "ID",
    "Name",
    "Node",
    "Address",
    "Service",
    "Check",
    "checks",
    "TTL",
    "Interval",
    "Tags",
    "meta",
    "Port",
    "Weights",
    "tagged_addresses",
    "Definition",
    "HTTP",
    "Status",
    "CheckID",
    "ServiceID",
    "NodeMeta",
    "Datacenter",
    "LockDelay",
    "Behavior",
    "NodeChecks",
    "ServiceChecks",
    "KV",
    "Verb",
    "Key",
    "Value",
    "Flags",
    "Index",
    "Session",
    "Kind",
    "Coord",
    "Vec",
    "Template",
];

/// A request to one of them.
pub(crate) fn draw(random: &mut Random, token: Option<&str>) -> Call {
    let (verb, path) = random.one(&ROUTES);
    let mut path = format!("/v1/{path}");
    if path.ends_with('/') {
        path.push_str(random.pick(&NAMES));
    }
    for (at, _) in (0..random.below(4)).enumerate() {
        let (name, value) = (random.pick(&PARAMETERS), random.pick(&VALUES));
        let sign = if at == 0 { '?' } else { '&' };
        let long = if random.once_in(60) { "a".repeat(5_000) } else { String::new() };
        path.push_str(&format!("{sign}{name}={value}{long}"));
    }
    let mut body = match random.below(30) {
        0 => "[".repeat(random.one(&[100, 100_000])),
        1 => r#"{"Service":"#.repeat(random.one(&[100, 100_000])),
        2 => "null".to_owned(),
        3 => "x".repeat(random.one(&[524_288, 524_289, 2 << 20, (2 << 20) + 1])),
        4 => Value::Array((0..random.one(&[1, 129])).map(|_| object(random, 0)).collect())
            .to_string(),
        _ => object(random, 0).to_string(),
    }
    .into_bytes();
    if random.once_in(6) {
        spoil(random, &mut body);
    }
    let verb = if random.once_in(30) { random.pick(&["PATCH", "HEAD", "POST"]) } else { verb };
    let has_body = matches!(verb, "PUT" | "POST" | "PATCH") || random.once_in(20);
    let token = token.map(|token| ("x-consul-token".to_owned(), token.as_bytes().to_vec()));
    Call {
        verb: verb.to_owned(),
        path,
        headers: token.into_iter().collect(),
        data: if has_body { vec![Piece::once(body)] } else { Vec::new() },
        ends: !random.once_in(60),
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let fields = (0..random.below(9)).map(|_| {
        let name = random.pick(&FIELDS);
        (name.to_owned(), value(random, depth + 1))
    });
    Value::Object(fields.collect())
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(24) {
        0..=4 if depth < 4 => object(random, depth),
        5 if depth < 4 => (0..random.below(4)).map(|_| value(random, depth + 1)).collect(),
        6 => Value::Null,
        7 => json!(random.once_in(2)),
        8 => json!(random.one(&[0_i64, 1, -1, 80, 65_536, i64::MAX, i64::MIN])),
        9 => json!(random.one(&[u64::MAX, 1 << 53, 1 << 63])),
        10 => json!(random.one(&[1.5, 1e308, -1e-308])),
        11 => json!("x".repeat(random.one(&[512, 513, 5_000, 100_000]))),
        12 => json!(["a", "b", "a"]),
        13 => json!({ "lan": { "Address": "10.0.0.1", "Port": random.one(&[0, 80, 70_000]) } }),
        14 => json!(random.pick(&["10s", "1ms", "-1s", "99999999999h", "1h1h", "s"])),
        15 => json!(random.pick(&["passing", "critical", "release", "delete", "service-defaults"])),
        16 => json!(random.pick(&["set", "get", "cas", "lock", "get-tree", "delete-tree"])),
        17 => json!(random.pick(&["dc1", "dc2", "\u{0}", "\u{fc}", "a/b", "serfHealth"])),
        _ => json!(random.pick(&["", "a", "web", "n1", "consul", "YQ==", "!"])),
    }
}
