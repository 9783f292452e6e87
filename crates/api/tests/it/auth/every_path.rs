//! The same over HTTP: every path of the JSON gateway, which calls the same methods, and every other path
//! there is. Paths that are missing here fail the test.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::needs::Needs::{Nothing, Rights};
use super::needs::{ASKERS, Needs, about_key, table};
use super::raw::{Tokens, users};
use crate::server::Server;

/// So long an answer that does not end is listened to.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is served over HTTP beside the gateway: method, path, body, what it needs.
const PLAIN: [(&str, &str, &str, Needs); 11] = [
    // Whoever balances load or restarts nodes has no name, and learns that the node is well.
    ("GET", "/", "", Nothing),
    ("GET", "/health", "", Nothing),
    ("GET", "/livez", "", Nothing),
    ("GET", "/livez/{check}", "", Nothing),
    ("GET", "/readyz", "", Nothing),
    ("GET", "/readyz/{check}", "", Nothing),
    ("GET", "/version", "", Nothing),
    // Numbers, as `hiraeth.v1.Node/Stats` has them.
    ("GET", "/metrics", "", Nothing),
    ("GET", "/api/maintain/stats", "", Nothing),
    // Names of everything in the registry.
    ("POST", "/dns-query", "", Needs::Root),
    ("POST", "/api/v1/set", r#"{"key":"a/1","value":"v"}"#, Rights),
];
/// Bodies by a path that is in the sources once, but can be asked in two ways.
const GET: [(&str, &str, &str, Needs); 4] = [
    ("GET", "/api/v1/get?key=a/1", "", Rights),
    ("GET", "/api/v1/get?key=a/1&stale", "", Rights),
    // Rights over keys of another keyspace.
    ("GET", "/api/v1/config/{namespace}/{group}/{name}", "", Needs::Root),
    ("PUT", "/api/v1/config/{namespace}/{group}/{name}", "content", Needs::Root),
];

/// The strings that follow `before` in the sources below a folder of this crate.
fn paths(folder: &str, before: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for rest in text.split(before).skip(1) {
            let path = rest.split('"').next().unwrap();
            assert!(path.starts_with('/'), "{path}");
            paths.push(path.to_owned());
        }
    }
    paths
}

/// The gateway's paths and their methods.
fn gateway() -> BTreeMap<String, String> {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway/routes.rs");
    let text = std::fs::read_to_string(routes).unwrap();
    let service = |name: &str| {
        let start = format!("const {name}: &str = \"");
        let rest = text.split(start.as_str()).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| line.trim().starts_with("(\"/v3/")) {
        let mut words = line.split('"');
        let path = words.nth(1).unwrap();
        let name = words.next().unwrap().trim_matches([',', ' ']);
        let method = words.next().unwrap();
        all.insert(path.to_owned(), format!("{}/{method}", service(name)));
    }
    all
}

/// The console's questions, which are the methods they are called like.
fn console() -> Vec<String> {
    let calls = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/calls.rs");
    let text = std::fs::read_to_string(calls).unwrap();
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("(\"hiraeth.v1."));
    rows.map(|rest| format!("hiraeth.v1.{}", rest.split('"').next().unwrap())).collect()
}

/// Consul's routes: what each needs is in its row, and whether that is asked for is tried here.
fn consul() -> Vec<(String, String, Needs)> {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/consul/routes.rs");
    let text = std::fs::read_to_string(routes).unwrap();
    let row = |line: &str| {
        let (rights, rest) = line.trim().split_once(" \"")?;
        // What a token needs beside it is asked in `acl/every_route.rs`.
        let (rights, _) = rights.split_once(' ')?;
        let needs = match rights {
            "Nobody" => Nothing,
            "User" => Needs::User,
            // Rights over the registry's keyspace, of which bob has none.
            "Read" | "Write" | "Keys" | "Root" => Needs::Root,
            _ => return None,
        };
        let mut words = rest.split('"');
        let (method, path) = (words.next()?, words.nth(1)?);
        let name = if path.ends_with('/') { "a%2F1" } else { "" };
        let body = match path {
            "txn" => r#"[{"KV":{"Verb":"set","Key":"a/1","Value":""}}]"#,
            _ => "",
        };
        Some((format!("{method} /v1/{path}{name}"), body.to_owned(), needs))
    };
    text.lines().filter_map(row).collect()
}

/// What comes of an answer until it ends or has nothing more to say.
async fn ask(server: &Server, line: &str, token: Option<&str>, body: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let token = token.map(|token| format!("Authorization: {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let ours = "Hiraeth-Console: 1\r\n";
    let head = format!("Host: a\r\nConnection: close\r\nContent-Length: {length}\r\n{token}{ours}");
    let request = format!("{line} HTTP/1.1\r\n{head}\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await);
    String::from_utf8_lossy(&answer).into_owned()
}

fn refusal(answer: &str) -> Option<&'static str> {
    let words = ["user name is empty", "permission denied", "invalid auth token"];
    words.into_iter().find(|words| answer.contains(&format!("etcdserver: {words}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_asks_for_the_rights_it_needs() {
    for path in paths("http", ".route(\"") {
        let known = PLAIN.iter().chain(&GET);
        let known = known.map(|(_, known, ..)| known.split('?').next().unwrap());
        let count = known.filter(|known| *known == path).count();
        assert!(count > 0, "a path whose rights nobody has thought about: {path}");
    }
    let (gateway, table) = (gateway(), table());
    assert!(gateway.len() > 40, "{gateway:?}");
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let mut asked = Vec::new();
    let body = |method: &str| {
        let (service, name) = method.split_once('/').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        let input = service.methods().find(|method| method.name() == name).unwrap().input();
        let message = DynamicMessage::decode(input, about_key(method)).unwrap();
        serde_json::to_string(&message).unwrap()
    };
    for (path, method) in &gateway {
        asked.push((format!("POST {path}"), body(method), table[method.as_str()]));
    }
    let console = console();
    assert!(console.len() > 5, "{console:?}");
    for method in &console {
        asked.push((format!("POST /ui/api/{method}"), body(method), table[method.as_str()]));
    }
    asked.push(("POST /ui/live/hiraeth.v1.Node/Flight".to_owned(), "{}".to_owned(), Needs::Root));
    for (method, path, body, needs) in PLAIN.iter().chain(&GET) {
        let path = path.replace("{check}", "serializable_read");
        let path = path.replace("{namespace}/{group}/{name}", "a/b/c");
        asked.push((format!("{method} {path}"), (*body).to_owned(), *needs));
    }

    let consul = consul();
    assert!(consul.len() > 40, "{consul:?}");
    asked.extend(consul);

    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let tokens = Tokens::get(&mut auth).await;
    let mut wrong = Vec::new();
    for (line, body, needs) in &asked {
        for who in ASKERS {
            let answer = ask(&server, line, tokens.of(who), body).await;
            // That a key or lease is missing is told as an object; that a path is, is not.
            let missing = answer.contains(" 404 Not Found\r\n") && !answer.contains("\"code\"");
            let served = answer.starts_with("HTTP/1.1 ") && !missing;
            let expected = needs.refusal(who);
            if refusal(&answer) != expected || !served {
                wrong.push(format!("{line} as {who}: {answer}, and not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().await;
}
