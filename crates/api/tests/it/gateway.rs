//! etcd's API as JSON. What clients write is checked by `compat/http`, against etcd too; here is what
//! only we promise, and what nobody should send.

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::Server;
use crate::web::{Lines, ask, ask_at, post};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_door_with_the_same_metadata() {
    let server = Server::start().await;
    let put = post(&server, "/v3/kv/put", r#"{"key":"YQ==","value":"Yg=="}"#).await;
    assert_eq!((put.status, &put.json()["header"]["revision"]), (200, &json!("2")));
    let range = r#"{"key":"YQ==","serializable":true}"#;
    let read = ask(&server, "POST", "/v3/kv/range", "", range.as_bytes()).await;
    assert_eq!(read.json()["kvs"][0]["value"], "Yg==");
    assert!(read.head.contains("\r\ngrpc-metadata-hiraeth-stale-millis: "), "{}", read.head);

    let other = "hiraeth-keyspace: other\r\n";
    let unknown = ask(&server, "POST", "/v3/kv/range", other, range.as_bytes()).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!(5)));
    let mode = "Grpc-Metadata-Hiraeth-Read: nonsense\r\n";
    let refused = ask(&server, "POST", "/v3/kv/range", mode, range.as_bytes()).await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(3)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_obeyed_while_it_answers_and_ends_with_words() {
    let server = Server::start().await;
    let mut watch = Lines::open(&server, "/v3/watch").await;
    watch.send(r#"{"create_request":{"key":"YQ=="}}"#).await;
    assert!(watch.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(watch.next().await.unwrap()["result"]["created"], true);
    // Cut in the middle; the second half comes with the next request.
    watch.send(r#"{"createRequest":{"key":"Y"#).await;
    post(&server, "/v3/kv/put", r#"{"key":"YQ==","value":"Yg=="}"#).await;
    let event = watch.next().await.unwrap();
    assert_eq!(event["result"]["events"][0]["kv"]["value"], "Yg==");
    watch.send(r#"g==","watchId":9}}{"progress_request":{}}"#).await;
    assert_eq!(watch.next().await.unwrap()["result"]["watch_id"], "9");
    assert_eq!(watch.next().await.unwrap()["result"]["watch_id"], "-1");
    watch.send(r#"{"create_request":[]}"#).await;
    let error = watch.next().await.unwrap();
    assert_eq!(error["error"]["grpc_code"], 3);
    assert_eq!(error["error"]["http_status"], "Bad Request");
    assert_eq!(watch.next().await, None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_too_deep_is_refused() {
    let server = Server::start().await;
    let value = "A".repeat(2_000_000);
    let large =
        post(&server, "/v3/kv/put", &format!(r#"{{"key":"YQ==","value":"{value}"}}"#)).await;
    assert_eq!(large.status, 200, "1.5 MB are no more than a put may have");
    let value = "A".repeat(2_200_000);
    let large =
        post(&server, "/v3/kv/put", &format!(r#"{{"key":"YQ==","value":"{value}"}}"#)).await;
    assert_eq!(large.json()["error"], "etcdserver: request is too large");
    let value = "A".repeat(4_000_000);
    let larger =
        post(&server, "/v3/kv/put", &format!(r#"{{"key":"YQ==","value":"{value}"}}"#)).await;
    assert_eq!(larger.status, 429);
    assert_eq!(larger.json()["error"], "grpc: received message larger than max");
    let deep = r#"{"success":[{"request_txn":"#.repeat(50_000);
    assert_eq!(post(&server, "/v3/kv/txn", &deep).await.status, 400);
    let mut endless = Lines::open(&server, "/v3/watch").await;
    endless.send(r#"{"create_request":{"key":""#).await;
    assert!(endless.head().await.starts_with("HTTP/1.1 200"));
    for _ in 0..4 {
        endless.send(&"A".repeat(1_000_000)).await;
    }
    assert_eq!(endless.next().await.unwrap()["error"]["grpc_code"], 8);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_told_one_by_one_and_left_out_by_name() {
    let server = Server::start().await;
    let get = async |path| {
        let answer = ask(&server, "GET", path, "", b"").await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let ok = || (200, "ok\n".to_owned());
    for path in ["/livez", "/readyz", "/livez/serializable_read", "/readyz/non_learner"] {
        assert_eq!(get(path).await, ok(), "{path}");
    }
    let told = "[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n";
    assert_eq!(get("/readyz?verbose&exclude=data_corruption").await, (200, told.to_owned()));
    assert_eq!(get("/livez/linearizable_read").await.0, 404, "that is a matter of readiness");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_keys_are_set_and_read_on_any_node() {
    let mut cluster = Server::start_cluster(3).await;
    let set = ask(&cluster[0], "POST", "/api/v1/set", "", br#"{"key":"k","value":"v"}"#).await;
    let revision = set.json()["revision"].as_i64().unwrap();
    let mut states = Vec::new();
    for server in &cluster {
        let read = ask(server, "GET", "/api/v1/get", "", br#"{"key":"k"}"#).await;
        assert_eq!((read.status, &read.body[..]), (200, &b"v"[..]));
        assert!(read.head.contains(&format!("hiraeth-revision: {revision}\r\n")), "{}", read.head);
        let json = "Accept: application/json\r\n";
        let read = ask(server, "GET", "/api/v1/get?key=k", json, b"").await.json();
        assert_eq!((&read["value"], &read["mod_revision"]), (&json!("v"), &json!(revision)));
        let stats =
            ask(server, "GET", "/api/maintain/stats?keyspace=default", "", b"").await.json();
        assert_eq!((&stats["num_peers"], &stats["keyspace"]), (&json!(2), &json!("default")));
        states.push(stats["state"].as_str().unwrap().to_owned());
    }
    states.sort();
    assert_eq!(states, ["Follower", "Follower", "Leader"]);
    let all = ask(&cluster[0], "GET", "/api/maintain/stats", "", b"").await.json();
    assert_eq!(all["groups"].as_array().unwrap().len(), 2);
    for (method, path, body, status, code) in [
        ("GET", "/api/v1/get?key=none", "", 404, 5),
        ("GET", "/api/v1/get", "", 400, 3),
        ("POST", "/api/v1/set", r#"{"key":"k"}"#, 400, 3),
        ("POST", "/api/v1/set", r#"{"key":7,"value":""}"#, 400, 3),
        ("POST", "/api/v1/set", r#"{"key":"","value":""}"#, 400, 3),
        ("POST", "/api/v1/set?keyspace=none", r#"{"key":"k","value":""}"#, 404, 5),
        ("GET", "/api/maintain/stats?region=x", "", 400, 3),
        ("GET", "/api/maintain/stats?region=99", "", 503, 14),
    ] {
        let answer = ask(&cluster[0], method, path, "", body.as_bytes()).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{path} {body}"
        );
    }
    while let Some(server) = cluster.pop() {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_port_is_the_same_door() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let serving = tokio::spawn(api::serve_http(server.handle(), listener, shutdown));
    let put = br#"{"key":"YQ==","value":"Yg=="}"#;
    assert_eq!(ask_at(&address, "POST", "/v3/kv/put", "", put).await.status, 200);
    let read = ask_at(&address, "GET", "/api/v1/get?key=a", "", b"").await;
    assert_eq!((read.status, &read.body[..]), (200, &b"b"[..]));
    assert_eq!(ask_at(&address, "GET", "/health", "", b"").await.status, 200);
    assert_eq!(ask_at(&address, "GET", "/nothing", "", b"").await.status, 404);
    drop(stop);
    serving.await.unwrap().unwrap();
    server.stop().await;
}
