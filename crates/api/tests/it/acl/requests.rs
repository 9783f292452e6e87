//! For each of Consul's routes a request about what is called `name`.

const RULE: &str = r#"{"AuthMethod":"spare","BindType":"service","BindName":"web"}"#;

/// One by which nobody can log in.
pub(super) fn method_named(name: &str) -> String {
    let url = "http://127.0.0.1:1/hush-hush";
    format!(r#"{{"Name":"{name}","Type":"jwt","Config":{{"JWKSURL":"{url}"}}}}"#)
}

/// The line of the request, and its body. `None` for a route that nobody has thought about.
pub(super) fn about(
    method: &str,
    path: &str,
    name: &str,
    ids: &dyn Fn(&str) -> String,
) -> Option<(String, String)> {
    let line = |rest: String| Some((format!("{method} /v1/{path}{rest}"), String::new()));
    let with = |rest: String, body: String| Some((format!("{method} /v1/{path}{rest}"), body));
    let plain = || line(String::new());
    match (method, path) {
        ("GET", "kv/") => line(format!("{name}/key")),
        ("PUT", "kv/") => with(format!("{name}/key"), "changed".into()),
        ("DELETE", "kv/") => line(format!("{name}/key")),
        ("PUT", "txn") => with(
            String::new(),
            format!(
                r#"[{{"KV":{{"Verb":"get","Key":"{name}/key"}}}},
                    {{"KV":{{"Verb":"set","Key":"{name}/key","Value":"eA=="}}}}]"#
            ),
        ),
        ("GET", "agent/service/") => line(format!("{name}-agent")),
        ("PUT", "agent/service/register") => {
            with(String::new(), format!(r#"{{"ID":"{name}-agent","Name":"{name}","Port":1}}"#))
        }
        ("PUT", "agent/service/deregister/") => line(format!("{name}-agent")),
        ("PUT", "agent/service/maintenance/") => line(format!("{name}-agent?enable=true")),
        ("PUT", "agent/maintenance") => line("?enable=true".into()),
        ("PUT", "agent/check/register") => with(
            String::new(),
            format!(r#"{{"ID":"{name}-new","Name":"c","TTL":"1h","ServiceID":"{name}-agent"}}"#),
        ),
        ("PUT", "agent/check/deregister/") => line(format!("{name}-service")),
        ("PUT", "agent/check/pass/" | "agent/check/warn/" | "agent/check/fail/") => {
            line(format!("service:{name}-agent?note=x"))
        }
        ("PUT", "agent/check/update/") => {
            with(format!("service:{name}-agent"), r#"{"Status":"critical","Output":"x"}"#.into())
        }
        ("GET", "agent/health/service/id/") => line(format!("{name}-agent")),
        ("GET", "agent/health/service/name/") => line(name.into()),
        ("PUT", "agent/join/") => line("127.0.0.1".into()),
        ("PUT", "agent/force-leave/") => line("n1".into()),
        ("PUT", "agent/token/") => with("default".into(), r#"{"Token":"x"}"#.into()),
        ("GET", "acl/token/") | ("PUT", "acl/token/") | ("DELETE", "acl/token/") => {
            with(ids("token"), "{}".into())
        }
        ("PUT", "acl/token") => with(String::new(), "{}".into()),
        ("GET", "acl/policy/name/") => line("narrow".into()),
        ("GET", "acl/policy/") | ("DELETE", "acl/policy/") => line(ids("policy")),
        ("PUT", "acl/policy/") => with(ids("policy"), r#"{"Name":"spare","Rules":""}"#.into()),
        ("PUT", "acl/policy") => with(String::new(), r#"{"Name":"made","Rules":""}"#.into()),
        ("GET", "acl/role/name/") => line("spare".into()),
        ("GET", "acl/role/") | ("DELETE", "acl/role/") => line(ids("role")),
        ("PUT", "acl/role/") => with(ids("role"), r#"{"Name":"spare"}"#.into()),
        ("PUT", "acl/role") => with(String::new(), r#"{"Name":"made"}"#.into()),
        ("GET", "acl/templated-policies") => plain(),
        ("GET", "acl/templated-policy/name/") => line("builtin/service".into()),
        ("POST", "acl/templated-policy/preview/") => {
            with("builtin/service".into(), format!(r#"{{"Name":"{name}"}}"#))
        }
        ("POST", "internal/acl/authorize") => with(
            String::new(),
            format!(r#"[{{"Resource":"key","Access":"write","Segment":"{name}/key"}}]"#),
        ),
        ("GET", "acl/") => line("replication".into()),
        ("PUT" | "POST" | "DELETE", "acl/") => line("legacy".into()),
        ("PUT", "acl/auth-method") => with(String::new(), method_named("made")),
        ("PUT", "acl/auth-method/") => with("spare".into(), method_named("spare")),
        ("GET" | "DELETE", "acl/auth-method/") => line("spare".into()),
        ("PUT", "acl/binding-rule") => with(String::new(), RULE.into()),
        ("PUT", "acl/binding-rule/") => with(ids("rule"), RULE.into()),
        ("GET" | "DELETE", "acl/binding-rule/") => line(ids("rule")),
        ("POST", "acl/login") => {
            with(String::new(), r#"{"AuthMethod":"spare","BearerToken":"nobody's"}"#.into())
        }
        ("POST", "acl/logout") => plain(),
        (
            "GET",
            "catalog/service/"
            | "catalog/connect/"
            | "catalog/gateway-services/"
            | "health/service/"
            | "health/connect/"
            | "health/ingress/"
            | "health/checks/",
        ) => line(name.into()),
        (
            "GET",
            "catalog/node/"
            | "catalog/node-services/"
            | "health/node/"
            | "session/node/"
            | "coordinate/node/",
        ) => line(name.into()),
        ("GET", "health/state/") => line("any".into()),
        ("PUT", "catalog/register") => with(
            String::new(),
            format!(
                r#"{{"Node":"{name}","Address":"10.9.9.9","Service":{{"ID":"{name}-1","Service":"{name}"}}}}"#
            ),
        ),
        ("PUT", "catalog/deregister") => {
            with(String::new(), format!(r#"{{"Node":"{name}","ServiceID":"{name}-1"}}"#))
        }
        ("PUT", "session/create") => {
            with(String::new(), format!(r#"{{"Node":"{name}","Checks":[]}}"#))
        }
        ("PUT", "session/destroy/" | "session/renew/") | ("GET", "session/info/") => {
            line(ids(&format!("session {name}")))
        }
        ("PUT" | "POST", "event/fire/") => line(name.into()),
        ("POST", "query") => with(
            String::new(),
            format!(r#"{{"Name":"{name}-new","Service":{{"Service":"{name}"}}}}"#),
        ),
        ("GET", "query/") => line(ids(&format!("query {name}"))),
        ("PUT", "query/") => with(
            ids(&format!("query {name}")),
            format!(r#"{{"Name":"{name}","Service":{{"Service":"x"}}}}"#),
        ),
        ("DELETE", "query/") => line(ids(&format!("query {name}"))),
        ("PUT", "config") => with(
            String::new(),
            format!(r#"{{"Kind":"service-defaults","Name":"{name}","Protocol":"x"}}"#),
        ),
        ("GET", "config/") | ("DELETE", "config/") => line(format!("service-defaults/{name}")),
        ("PUT", "coordinate/update") => with(
            String::new(),
            format!(
                r#"{{"Node":"{name}","Coord":{{"Vec":[1,0,0,0,0,0,0,0],"Error":1,
                    "Adjustment":0,"Height":1}}}}"#
            ),
        ),
        ("PUT", "snapshot") => with(String::new(), "no snapshot".into()),
        ("DELETE", "operator/raft/peer") => line("?id=nobody".into()),
        ("PUT", "operator/autopilot/configuration") => with(String::new(), "{}".into()),
        (
            "GET",
            "agent/self"
            | "agent/members"
            | "agent/services"
            | "agent/checks"
            | "agent/metrics"
            | "agent/version"
            | "agent/host"
            | "agent/monitor"
            | "acl/tokens"
            | "acl/policies"
            | "acl/roles"
            | "acl/auth-methods"
            | "acl/binding-rules"
            | "catalog/datacenters"
            | "catalog/nodes"
            | "catalog/services"
            | "session/list"
            | "status/leader"
            | "status/peers"
            | "event/list"
            | "query"
            | "coordinate/datacenters"
            | "coordinate/nodes"
            | "snapshot"
            | "operator/raft/configuration"
            | "operator/autopilot/configuration"
            | "operator/autopilot/health"
            | "operator/autopilot/state"
            | "operator/keyring"
            | "operator/usage",
        ) => plain(),
        ("PUT", "agent/leave" | "agent/reload" | "acl/bootstrap")
        | ("POST", "operator/raft/transfer-leader")
        | ("POST" | "PUT" | "DELETE", "operator/keyring") => plain(),
        _ => None,
    }
}
