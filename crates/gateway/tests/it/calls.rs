//! What is passed on, and how.

use std::time::{Duration, Instant};

use gateway::{Config, Gateway};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::lease_client::LeaseClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::hiraeth::v1::CreateKeyspaceRequest;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::{Code, Request};

use super::cluster::{channel, gateway, in_front_of, members};

/// What operators are given: alarms, and the dashboard.
const ALERTS: &str = include_str!("../../../../packaging/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../../packaging/grafana/hiraeth.json");

/// The answer to one request of HTTP/1.1, head and all.
pub(crate) async fn http(address: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn put(key: &str, value: impl Into<bytes::Bytes>) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: value.into(), ..pb::PutRequest::default() }
}

fn range(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), ..pb::RangeRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_their_metadata_errors_and_trailers_pass() {
    let members = members(1).await;
    let address = in_front_of(&members).await;
    let channel = channel(&address).await;
    let mut kv = KvClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    let small = kv.put(put("a", "1")).await.unwrap().into_inner();
    assert_eq!(small.header.unwrap().revision, 2);
    // Longer than what is kept to be sent again, and than every window on the way.
    let long = vec![7; 1_500_000];
    kv.put(put("b", long.clone())).await.unwrap();
    let found = kv.range(range("b")).await.unwrap().into_inner();
    assert_eq!(found.kvs[0].value, long);
    let refused = kv.put(put("", "1")).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "etcdserver: key is not provided")
    );
    let too_long = kv.put(put("c", vec![7; 3 << 20])).await.unwrap_err();
    assert_eq!(too_long.message(), "grpc: received message larger than max");

    // A keyspace is named by metadata, and how old an answer is told by it.
    let create = CreateKeyspaceRequest { name: "team".into(), ..Default::default() };
    KeyspacesClient::new(channel.clone()).create(create).await.unwrap();
    let mut there = Request::new(range("a"));
    there.metadata_mut().insert("hiraeth-keyspace", "team".parse().unwrap());
    assert_eq!(kv.range(there).await.unwrap().into_inner().count, 0);
    let mut stale = Request::new(range("a"));
    stale.metadata_mut().insert("hiraeth-read", "stale".parse().unwrap());
    let stale = kv.range(stale).await.unwrap();
    assert!(stale.metadata().contains_key("hiraeth-stale-millis"));

    // A stream of the server's, to its end.
    let snapshot = MaintenanceClient::new(channel.clone()).snapshot(pb::SnapshotRequest {}).await;
    let mut snapshot = snapshot.unwrap().into_inner();
    let mut bytes = 0;
    while let Some(part) = snapshot.message().await.unwrap() {
        bytes += part.blob.len();
    }
    assert!(bytes > long.len(), "{bytes}");

    // Streams of both sides, whose first answer needs no second request.
    let mut leases = LeaseClient::new(channel.clone());
    let granted = pb::LeaseGrantRequest { ttl: 60, id: 0 };
    let id = leases.lease_grant(granted).await.unwrap().into_inner().id;
    let (said, requests) = tokio::sync::mpsc::channel(1);
    said.send(pb::LeaseKeepAliveRequest { id }).await.unwrap();
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut alive = leases.lease_keep_alive(requests).await.unwrap().into_inner();
    assert_eq!(alive.message().await.unwrap().unwrap().ttl, 60);
    drop(said);
    assert!(alive.message().await.unwrap().is_none());

    // Nobody knows this.
    let mut users = AuthClient::new(channel);
    let status = users.user_get(pb::AuthUserGetRequest { name: "x".into() });
    assert_eq!(status.await.unwrap_err().message(), "etcdserver: user name not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_passes_and_the_gateway_answers_for_itself() {
    let members = members(1).await;
    let address = in_front_of(&members).await;
    let answer = http(&address, "PUT /v1/kv/a%2Fb?flags=7", "one").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("true"), "{answer}");
    let answer = http(&address, "GET /v1/kv/a/b?raw", "").await;
    assert!(answer.ends_with("one") && answer.contains("x-consul-index: "), "{answer}");
    let answer = http(&address, "GET /v1/kv/nothing", "").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    http(&address, "POST /v3/kv/put", r#"{"key":"YS9i","value":"b25l"}"#).await;
    let answer = http(&address, "POST /v3/kv/range", r#"{"key":"YS9i"}"#).await;
    assert!(answer.contains(r#""value":"b25l""#), "{answer}");
    for own in ["/health", "/livez", "/readyz", "/version", "/metrics"] {
        let answer = http(&address, &format!("GET {own}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{own}: {answer}");
    }
    let metrics = http(&address, "GET /metrics", "").await;
    let ready = format!("hiraeth_gateway_member_ready{{member=\"{}\"}} 1", members[0].address);
    assert!(metrics.contains(&ready), "{metrics}");
    for text in [ALERTS, DASHBOARD] {
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let asked: Vec<&str> = words.filter(|it| it.starts_with("hiraeth_gateway_")).collect();
        assert!(asked.len() > 1, "no more than {asked:?} is asked of a gateway");
        for name in asked {
            assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is not served");
        }
    }
    let version = http(&address, "GET /version", "").await;
    assert!(version.contains("etcdserver") && version.contains("gateway"), "{version}");

    // What is no request harms nobody.
    for rubbish in ["\0\0\0\0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish rubbish"] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(rubbish.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the connection is ended");
    }
    assert!(http(&address, "GET /v1/kv/a/b?raw", "").await.ends_with("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_is_reached_that_is_said() {
    // Nobody listens on the first, and whoever is connected to on the second says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let (_gateway, address) = gateway([endpoint.clone()]).await;
    let refused = KvClient::new(channel(&address).await).put(put("a", "1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let expected = format!("hiraeth: no member of {endpoint} is reached: {endpoint}: ");
    assert!(refused.message().starts_with(&expected), "{refused:?}");
    let answer = http(&address, "GET /v1/kv/a", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(&expected), "{answer}");
    let answer = http(&address, "POST /v3/kv/range", "{}").await;
    assert!(answer.contains(r#""code":14"#), "{answer}");
    let answer = http(&address, "GET /health", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains(r#""health":"false""#),
        "{answer}"
    );

    // One that is connected to and silent is noticed, and its client hears of it.
    let (_gateway, address) = gateway([silent.local_addr().unwrap().to_string()]).await;
    let mut kv = KvClient::new(channel(&address).await);
    let refused = timeout(Duration::from_secs(20), kv.put(put("a", "1"))).await;
    let refused = refused.expect("it is answered").unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, "etcdserver: request timed out, possibly due to connection lost")
    );
}

/// What is under way has five seconds when a gateway stops; who has asked for nothing has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_waits_for_nobody_who_asked_for_nothing() {
    let members = members(1).await;
    let config = Config::new("g1", [members[0].address.clone()]).unwrap();
    let gateway = Gateway::start(&config);
    gateway.ready().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        gateway.serve(listener, None, async { drop(stopped.await) }).await;
    });
    let mut silent = Vec::new();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for said in ["", "PRI * HT", preface, "GET /li", "GET /livez HTTP/1.1\r\nhost: n\r\n"] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    // Whatever was sent before is there by now.
    assert!(http(&address, "GET /livez", "").await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    drop(stop);
    timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for mut stream in silent {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}
