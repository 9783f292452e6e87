//! The console's paths: its files, what its pages ask, of this node and of others, and what stays closed.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::server::Server;
use crate::web::{Answer, ask};

const OURS: &str = "hiraeth-console: 1\r\n";

async fn get(server: &Server, path: &str, head: &str) -> Answer {
    ask(server, "GET", path, head, b"").await
}

async fn call(server: &Server, method: &str, head: &str, body: &str) -> Answer {
    let head = format!("{OURS}{head}");
    ask(server, "POST", &format!("/ui/api/hiraeth.v1.{method}"), &head, body.as_bytes()).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let line = answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_guarded_and_sent_once() {
    let server = Server::start().await;
    let page = get(&server, "/ui/", "").await;
    assert_eq!((page.status, header(&page, "content-type")), (200, "text/html; charset=utf-8"));
    let policy = header(&page, "content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let known = format!("if-none-match: W/\"x\", {}\r\n", header(&page, "etag"));
    let again = get(&server, "/ui/", &known).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(get(&server, "/ui/lib/dom.js", &known).await.status, 200);
    let moved = get(&server, "/ui", "").await;
    assert_eq!((moved.status, header(&moved, "location")), (308, "/ui/"));
    assert_eq!(ask(&server, "PUT", "/ui/main.js", "", b"x").await.status, 405);
    for path in ["/ui/none.js", "/ui/../Cargo.toml", "/ui/%2e%2e/mod.rs", "/ui/api/", "/ui/lib"] {
        let answer = get(&server, path, "").await;
        assert_eq!(answer.status, 404, "{path}");
        header(&answer, "content-security-policy");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_and_other_methods_are_refused() {
    let server = Server::start().await;
    let status = "/ui/api/hiraeth.v1.Node/Status";
    assert_eq!(ask(&server, "POST", status, "", b"{}").await.status, 403);
    for (site, expected) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200)] {
        let head = format!("sec-fetch-site: {site}\r\n");
        assert_eq!(call(&server, "Node/Status", &head, "{}").await.status, expected, "{site}");
    }
    assert_eq!(get(&server, status, OURS).await.status, 405);
    for method in ["Node/Remove", "Node/Drain", "Keyspaces/Create", "Node/status"] {
        assert_eq!(call(&server, method, "", "{}").await.status, 404, "{method}");
    }
    let long = format!("{{\"keyspace\":\"{}\"}}", "x".repeat(20_000));
    assert_eq!(call(&server, "Node/Stats", "", &long).await.status, 413);
    assert_eq!(call(&server, "Node/Stats", "", "{").await.status, 400);
    server.stop().await;
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_tells_how_another_one_is() {
    let servers = Server::start_cluster(3).await;
    let own = servers[0].handle().node().get();
    for server in &servers {
        let node = server.handle().node().get();
        let head = format!("hiraeth-node: {node}\r\n");
        for method in ["Node/Status", "Node/Stats", "Node/Hot", "Node/Flight", "Node/Watches"] {
            let answer = call(&servers[0], method, &head, "{}").await;
            assert_eq!(answer.status, 200, "{method} of {node} by {own}");
            assert_eq!(number(&answer.json()["node"]), node, "{method}");
        }
    }
    let nobody = call(&servers[0], "Node/Status", "hiraeth-node: 77\r\n", "{}").await;
    assert_eq!(nobody.status, 404, "{}", String::from_utf8_lossy(&nobody.body));
    let nonsense = call(&servers[0], "Node/Status", "hiraeth-node: n2\r\n", "{}").await;
    assert_eq!(nonsense.status, 400);
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_told_without_being_asked_and_no_more_than_bounded() {
    let server = Server::start().await;
    let open = async |body: &str| {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let length = body.len();
        let line = "POST /ui/live/hiraeth.v1.Keyspaces/List HTTP/1.1";
        let head = format!("{line}\r\nhost: a\r\ncontent-length: {length}\r\n{OURS}\r\n{body}");
        stream.write_all(head.as_bytes()).await.unwrap();
        BufReader::new(stream)
    };
    let line = async |stream: &mut BufReader<TcpStream>| loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "the stream has ended");
        if line.starts_with('{') {
            break serde_json::from_str::<Value>(&line).unwrap();
        }
    };
    let mut first = open("{}").await;
    let before = line(&mut first).await["result"]["keyspaces"].as_array().unwrap().len();
    let registered = ask(&server, "PUT", "/v1/agent/service/register", "", br#"{"Name":"web"}"#);
    assert_eq!(registered.await.status, 200);
    let after = line(&mut first).await["result"]["keyspaces"].as_array().unwrap().len();
    assert_eq!(after, before + 1);

    let mut streams = vec![first];
    for _ in 1..64 {
        let mut stream = open("{}").await;
        line(&mut stream).await;
        streams.push(stream);
    }
    let mut refused = String::new();
    open("{}").await.read_line(&mut refused).await.unwrap();
    assert!(refused.contains(" 429 "), "{refused}");
    drop(streams);
    server.stop().await;
}
