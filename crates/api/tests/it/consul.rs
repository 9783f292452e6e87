//! Consul's API over three nodes, by hand over HTTP/1.1; its own clients are in `compat`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::Server;
use crate::web::{Answer, ask};

async fn put(server: &Server, path: &str, body: Value) -> Answer {
    ask(server, "PUT", path, "", body.to_string().as_bytes()).await
}

async fn get(server: &Server, path: &str) -> Answer {
    ask(server, "GET", path, "", b"").await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn index(answer: &Answer) -> u64 {
    header(answer, "x-consul-index").and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn status_of(server: &Server, service: &str, wanted: &str) {
    let mut after = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let path = format!("/v1/health/service/{service}?index={after}&wait=5s");
        let answer = get(server, &path).await;
        let found = answer.json();
        let checks = found[0]["Checks"].as_array().cloned().unwrap_or_default();
        if !checks.is_empty() && checks.last().unwrap()["Status"] == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{wanted}: {found}");
        after = index(&answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_server_takes_any_beat_and_wakes_who_waits_for_it() {
    let servers = Server::start_cluster(3).await;
    let service = json!({ "Name": "web", "ID": "w1", "Port": 80, "Check": { "TTL": "60s" } });
    let registered = put(&servers[0], "/v1/agent/service/register", service.clone()).await;
    assert_eq!(registered.status, 200);
    status_of(&servers[1], "web", "critical").await;

    // Somebody waits on each node; a beat on the third ends all of it, and nothing else does.
    let before = index(&get(&servers[0], "/v1/health/service/web").await);
    let wait = format!("/v1/health/service/web?passing&index={before}&wait=20s");
    let other = get(&servers[0], "/v1/health/service/other").await;
    assert!(index(&other) > 0, "also of what is not there");
    let quiet = format!("/v1/health/service/other?index={}&wait=1s", index(&other));
    let began = Instant::now();
    let (a, b, c, quiet, beat) = tokio::join!(
        get(&servers[0], &wait),
        get(&servers[1], &wait),
        get(&servers[2], &wait),
        get(&servers[0], &quiet),
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            put(&servers[2], "/v1/agent/check/pass/service:w1?note=fine", json!(null)).await
        }
    );
    assert_eq!(beat.status, 200, "{}", String::from_utf8_lossy(&beat.body));
    assert!(began.elapsed() < Duration::from_secs(10), "nobody waited to the end");
    for answer in [a, b, c] {
        assert!(index(&answer) > before);
        let found = answer.json();
        assert_eq!(found[0]["Service"]["ID"], "w1", "{found}");
        assert_eq!(found[0]["Checks"][1]["Output"], "fine");
        assert_eq!(found[0]["Node"]["Node"], "n1", "it is where it was registered");
    }
    assert_eq!(index(&quiet), index(&other), "nothing happened there");

    // The same again changes nothing, also at another server when it says where it is.
    let index_of = async |server: &Server| index(&get(server, "/v1/health/service/web").await);
    let before = index_of(&servers[0]).await;
    assert_eq!(put(&servers[0], "/v1/agent/service/register", service).await.status, 200);
    assert_eq!(index_of(&servers[0]).await, before);
    let gone = put(&servers[1], "/v1/agent/service/deregister/w1", json!(null)).await;
    assert_eq!(gone.status, 200);
    let empty = get(&servers[2], "/v1/health/service/web").await;
    assert!(empty.json().as_array().unwrap().is_empty() && index(&empty) > before);
    let again = put(&servers[0], "/v1/agent/check/pass/service:w1", json!(null)).await;
    assert_eq!(again.status, 404, "who beats for nothing is told to register");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_the_registry_is_answered_and_says_so() {
    let mut servers = Server::start_cluster(3).await;
    let service = json!({ "Name": "web", "Port": 80 });
    assert_eq!(put(&servers[0], "/v1/agent/service/register", service).await.status, 200);
    let known = get(&servers[2], "/v1/health/service/web").await;
    assert_eq!(header(&known, "x-consul-knownleader"), Some("true"));
    assert_eq!(header(&known, "x-consul-lastcontact"), Some("0"));
    // Of another life of the cluster: answered at once, or this would take minutes.
    let newer = format!("/v1/health/service/web?index={}", index(&known) + 1);
    for consistency in ["", "&consistent"] {
        let unknown = get(&servers[2], &format!("{newer}{consistency}")).await;
        assert_eq!((unknown.status, index(&unknown)), (200, index(&known)), "{consistency}");
    }
    let left = servers.pop().unwrap();
    for server in servers {
        server.stop().await;
    }
    // Whoever was told of something newer is not told of something older.
    let older = get(&left, &newer).await;
    assert_eq!((older.status, index(&older)), (500, 0), "{}", older.head);
    let same = get(&left, &format!("/v1/health/service/web?index={}&wait=1s", index(&known))).await;
    assert_eq!((same.status, index(&same)), (200, index(&known)));
    assert_eq!(header(&same, "x-consul-knownleader"), Some("false"), "{}", same.head);
    let stale = get(&left, "/v1/health/service/web").await;
    assert_eq!(stale.status, 200);
    assert_eq!(header(&stale, "x-consul-knownleader"), Some("false"), "{}", stale.head);
    assert_eq!(stale.json()[0]["Service"]["Service"], "web");
    let strict = get(&left, "/v1/health/service/web?consistent").await;
    assert_eq!(strict.status, 500, "{}", strict.head);
    let write = put(&left, "/v1/agent/service/register", json!({ "Name": "x" })).await;
    assert_eq!(write.status, 500);
    left.stop().await;
}

/// Answers every request alike, until told otherwise.
async fn answers(listener: TcpListener, status: std::sync::Arc<std::sync::Mutex<&'static str>>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let status = *status.lock().unwrap();
        tokio::spawn(async move {
            let mut request = [0; 2_048];
            drop(stream.read(&mut request).await);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: 2\r\nLocation: http://169.254.169.254/\r\n\r\nhi"
            );
            drop(stream.write_all(answer.as_bytes()).await);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_makes_checks_and_takes_over_those_of_a_lost_node() {
    let mut servers = Server::start_cluster(3).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = std::sync::Arc::new(std::sync::Mutex::new("200 OK"));
    tokio::spawn(answers(listener, std::sync::Arc::clone(&status)));
    // Many, so that each node has some.
    for number in 0..6 {
        let service = json!({
            "Name": format!("s{number}"),
            "Check": { "HTTP": format!("http://{address}/"), "Interval": "1s", "Timeout": "1s" },
        });
        let answer = put(&servers[number % 3], "/v1/agent/service/register", service).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    let tcp = json!({
        "Name": "tcp", "Check": { "TCP": address.to_string(), "Interval": "1s" },
    });
    assert_eq!(put(&servers[0], "/v1/agent/service/register", tcp).await.status, 200);
    let grpc = json!({
        "Name": "grpc", "Check": { "GRPC": servers[1].address, "Interval": "1s" },
    });
    assert_eq!(put(&servers[0], "/v1/agent/service/register", grpc).await.status, 200);
    let all = async |server: &Server, wanted: &str| {
        for number in 0..6 {
            status_of(server, &format!("s{number}"), wanted).await;
        }
    };
    all(&servers[0], "passing").await;
    status_of(&servers[0], "tcp", "passing").await;
    status_of(&servers[2], "grpc", "passing").await;
    *status.lock().unwrap() = "429 Too Many Requests";
    all(&servers[1], "warning").await;
    *status.lock().unwrap() = "302 Found";
    all(&servers[2], "critical").await;
    servers.pop().unwrap().stop().await;
    *status.lock().unwrap() = "204 No Content";
    all(&servers[0], "passing").await;

    for (check, words) in [
        (json!({ "HTTP": "http://169.254.169.254/", "Interval": "1s" }), "no network that checks"),
        (json!({ "HTTP": "https://8.8.8.8/", "Interval": "1s" }), "no network that checks"),
        (json!({ "UDP": "127.0.0.1:1", "Interval": "1s" }), "udp checks are not made here"),
        (json!({ "HTTP": "http://127.0.0.1/" }), "Interval must be > 0"),
        (json!({ "Args": ["true"], "Interval": "1s" }), "Scripts are disabled"),
        (json!({ "TTL": "nope" }), "invalid duration"),
    ] {
        let service = json!({ "Name": "bad", "Check": check });
        let refused = put(&servers[0], "/v1/agent/service/register", service).await;
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(refused.status == 400 && text.contains(words), "{text}");
    }
    let none = get(&servers[0], "/v1/catalog/service/bad").await.json();
    assert_eq!(none, json!([]), "nothing is half applied");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_stands_as_what_it_stands_for_does() {
    let servers = Server::start_cluster(3).await;
    let original = json!({ "Name": "one", "ID": "o1", "Port": 80,
        "Check": { "TTL": "60s", "Status": "passing" } });
    assert_eq!(put(&servers[0], "/v1/agent/service/register", original).await.status, 200);
    // It is not on the alias's own node, and known all the same.
    let alias = json!({ "Name": "two", "ID": "t1", "Port": 81,
        "Check": { "CheckID": "a", "Name": "a", "AliasService": "o1" } });
    assert_eq!(put(&servers[1], "/v1/agent/service/register", alias).await.status, 200);
    let output = async || {
        let found = get(&servers[2], "/v1/health/service/two").await.json();
        found[0]["Checks"][1]["Output"].as_str().unwrap_or_default().to_owned()
    };
    status_of(&servers[2], "two", "passing").await;
    assert_eq!(output().await, "All checks passing.");
    put(&servers[2], "/v1/agent/check/warn/service:o1?note=busy", json!(null)).await;
    status_of(&servers[2], "two", "warning").await;
    assert_eq!(output().await, "Aliased check \"Service 'one' check\" failing");
    put(&servers[0], "/v1/agent/service/deregister/o1", json!(null)).await;
    status_of(&servers[2], "two", "critical").await;
    assert!(output().await.starts_with("Service o1 could not be found on node "));
    for server in servers {
        server.stop().await;
    }
}
