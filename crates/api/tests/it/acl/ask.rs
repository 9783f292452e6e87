//! Requests in plain HTTP, and a cluster with something in it to be seen by some and not by others.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use node::AclSettings;
use serde_json::{Value, json};
use state::auth::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::Server;

/// The secret of who may do everything.
pub(super) const ROOT: &str = "root";
/// What nobody is told who may not know: in values, tags and metadata of all that is not the narrow token's.
pub(super) const HUSH: &str = "hush-hush";
/// How long an answer may take to begin; the machine may be busy with other things.
const ANSWERED: Duration = Duration::from_secs(20);
/// So long one that does not end is listened to.
const PATIENCE: Duration = Duration::from_millis(800);

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Came {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Whether it tells what is to be hidden.
    pub(super) fn tells(&self) -> bool {
        let all = format!("{}{}", self.head, self.body);
        all.contains(HUSH) || all.contains(&STANDARD.encode(HUSH))
    }
}

pub(super) async fn ask(server: &Server, line: &str, token: Option<&str>, body: &str) -> Came {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let token = token.map(|token| format!("X-Consul-Token: {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!("Host: a\r\nConnection: close\r\nContent-Length: {length}\r\n{token}");
    stream.write_all(format!("{line} HTTP/1.1\r\n{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let head = async {
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    drop(timeout(ANSWERED, head).await);
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Came { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// As root; it has to go well.
pub(super) async fn do_it(server: &Server, line: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let came = ask(server, line, Some(ROOT), &body).await;
    assert_eq!(came.status, 200, "{line}: {came:?}");
    came.json()
}

pub(super) fn settings() -> AclSettings {
    AclSettings {
        enable: Some(true),
        initial_management: Some(Secret(ROOT.into())),
        ..AclSettings::default()
    }
}

/// Until the first token is there.
pub(super) async fn start(nodes: usize) -> Vec<Server> {
    let servers = Server::start_with_acl(nodes, settings()).await;
    for server in &servers {
        ready(server).await;
    }
    servers
}

/// Until it takes the first token.
pub(super) async fn ready(server: &Server) {
    for _ in 0..200 {
        let own = ask(server, "GET /v1/acl/token/self", Some(ROOT), "").await;
        if own.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the first token is not there");
}

/// A token with these rules; its accessor id and its secret.
pub(super) async fn token(server: &Server, name: &str, rules: &str) -> (String, String) {
    let policy = json!({ "Name": name, "Rules": rules });
    do_it(server, "PUT /v1/acl/policy", policy).await;
    let token = json!({ "Description": name, "Policies": [{ "Name": name }] });
    let made = do_it(server, "PUT /v1/acl/token", token).await;
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("AccessorID"), text("SecretID"))
}

/// Something of everything that is called `mine`, and of what is called `other`, with what is to be hidden.
pub(super) async fn fill(server: &Server) {
    for (name, told) in [("mine", "seen"), ("other", HUSH)] {
        let line = format!("PUT /v1/kv/{name}/key?flags=1");
        let kept = ask(server, &line, Some(ROOT), told).await;
        assert_eq!(kept.status, 200, "{kept:?}");
        do_it(
            server,
            "PUT /v1/catalog/register",
            json!({
                "Node": name, "Address": "10.0.0.1", "NodeMeta": { "told": told },
                "Service": {
                    "ID": format!("{name}-1"), "Service": name, "Tags": [told], "Port": 7,
                    "Meta": { "told": told },
                },
                "Checks": [
                    { "CheckID": format!("{name}-node"), "Name": "n", "Status": "passing", "Output": told },
                    { "CheckID": format!("{name}-service"), "Name": "s", "Status": "passing",
                      "ServiceID": format!("{name}-1"), "Output": told },
                ],
            }),
        )
        .await;
        let session = json!({ "Node": name, "Name": told, "Checks": [] });
        do_it(server, "PUT /v1/session/create", session).await;
        let fired = ask(server, &format!("PUT /v1/event/fire/{name}"), Some(ROOT), told).await;
        assert_eq!(fired.status, 200, "{fired:?}");
        let query = json!({ "Name": name, "Service": { "Service": name, "Tags": [told] } });
        do_it(server, "POST /v1/query", query).await;
        let entry = json!({ "Kind": "service-defaults", "Name": name, "Protocol": told });
        do_it(server, "PUT /v1/config", entry).await;
        let zeros = vec![0.0; 8];
        let coordinate = json!({ "Vec": zeros, "Error": 1.5, "Adjustment": 0.0, "Height": 0.1 });
        do_it(
            server,
            "PUT /v1/coordinate/update",
            json!({ "Node": name, "Segment": told, "Coord": coordinate }),
        )
        .await;
        let agent = json!({
            "ID": format!("{name}-agent"), "Name": name, "Port": 9, "Tags": [told],
            "Meta": { "told": told }, "Check": { "TTL": "1h", "Status": "passing" },
        });
        do_it(server, "PUT /v1/agent/service/register", agent).await;
    }
}

/// All there is, as root is told.
pub(super) async fn dump(server: &Server) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "kv/?recurse",
        "catalog/nodes",
        "health/state/any",
        "catalog/node/mine",
        "catalog/node/other",
        "catalog/node/n1",
        "session/list",
        "event/list",
        "query",
        "config/service-defaults",
        "coordinate/nodes",
        "acl/tokens",
        "acl/policies",
        "acl/roles",
        "acl/auth-methods",
        "acl/binding-rules",
        "operator/autopilot/configuration",
    ] {
        let came = ask(server, &format!("GET /v1/{path}"), Some(ROOT), "").await;
        assert_eq!(came.status, 200, "{path}: {came:?}");
        all.push(format!("{path}: {}", came.body));
    }
    all
}
