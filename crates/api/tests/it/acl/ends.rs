//! What goes on and on, by a token that comes to its end: it ends with it, though nothing happens.

use std::time::Duration;

use proto::etcdserverpb as pb;
use proto::hiraeth::v1 as wire;
use proto::hiraeth::v1::registry_client::RegistryClient;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tonic::Code;

use super::ask::{do_it, fill, start};
use super::doors::{request, watch};
use crate::server::Server;

const RULES: &str = r#"
key_prefix "mine" { policy = "read" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
event_prefix "" { policy = "read" }
query_prefix "" { policy = "read" }
agent_prefix "" { policy = "read" }
"#;
/// How long the token lives, and how long it may take at most until all know.
const LIFE: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(10);

/// The status of an answer that is waited for, and when it was there as a whole.
pub(super) async fn waits(server: &Server, line: String, token: String) -> (u16, Instant) {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!("Host: a\r\nConnection: close\r\nX-Consul-Token: {token}\r\n");
    stream.write_all(format!("GET /v1/{line} HTTP/1.1\r\n{head}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{line}: {answer}")), Instant::now())
}

pub(super) async fn index(server: &Server, path: &str) -> u64 {
    let came = super::ask::ask(server, &format!("GET /v1/{path}"), Some("root"), "").await;
    let index = came.head.split("x-consul-index: ").nth(1).unwrap_or_else(|| panic!("{came:?}"));
    index.split("\r\n").next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_by_a_token_ends_with_it() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    do_it(&server, "PUT /v1/acl/policy", json!({ "Name": "short", "Rules": RULES })).await;
    // One that ends later does not put off the end of the other.
    for ttl in ["1h", "3s"] {
        let token = json!({ "Policies": [{ "Name": "short" }], "ExpirationTTL": ttl });
        let asked = Instant::now();
        let made = do_it(&server, "PUT /v1/acl/token", token).await;
        if ttl == "3s" {
            let secret = made["SecretID"].as_str().unwrap();
            all_end(&server, secret, asked + LIFE).await;
        }
    }
    server.stop().await;
}

async fn all_end(server: &Server, secret: &str, end: Instant) {
    let mut waiting = Vec::new();
    for path in [
        "kv/mine/key",
        "kv/mine?recurse",
        "health/service/mine",
        "catalog/nodes",
        "agent/services",
        "event/list",
        "query",
    ] {
        let with = if path.contains('?') { '&' } else { '?' };
        let line = format!("{path}{with}index={}&wait=60s", index(server, path).await);
        waiting.push((path, waits(server, line, secret.to_owned())));
    }
    waiting.push(("agent/monitor", waits(server, "agent/monitor".to_owned(), secret.to_owned())));
    let blocked = async {
        for (path, (status, at)) in
            futures::future::join_all(waiting.into_iter().map(async |(path, it)| (path, it.await)))
                .await
        {
            // Its head was sent long before.
            let wanted = if path == "agent/monitor" { 200 } else { 403 };
            assert_eq!(status, wanted, "{path}");
            assert!(at >= end, "{path} ended too early");
        }
    };
    let watched = async {
        let mut stream = watch(server, "mine/key", secret).await;
        assert!(stream.message().await.unwrap().unwrap().created);
        let ended: pb::WatchResponse = stream.message().await.unwrap().unwrap();
        assert!(ended.canceled, "{ended:?}");
        assert!(Instant::now() >= end);
    };
    let subscribed = async {
        let mut registry = RegistryClient::new(server.channel.clone());
        let subscribe =
            wire::Subscribe { subscription: 1, service: "mine".into(), ..Default::default() };
        let ask = Some(wire::open_request::Ask::Subscribe(subscribe));
        let orders = tokio_stream::iter([wire::OpenRequest { ask }]);
        let orders = futures::StreamExt::chain(orders, futures::stream::pending());
        let mut told = registry.open(request(orders, Some(secret))).await.unwrap().into_inner();
        let status = loop {
            if let Err(status) = told.message().await {
                break status;
            }
        };
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert!(Instant::now() >= end);
    };
    let all = async { tokio::join!(blocked, watched, subscribed) };
    timeout(LIFE + SOON, all).await.unwrap();
}
