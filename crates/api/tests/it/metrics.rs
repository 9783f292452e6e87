//! What Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proto::etcdserverpb::PutRequest;
use proto::etcdserverpb::kv_client::KvClient;
use proto::hiraeth::v1::CreateKeyspaceRequest;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;

async fn scrape(server: &Server) -> String {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("version=0.0.4"), "{head}");
    body.to_owned()
}

/// By name and labels. Every series belongs to the family announced before it, and is there once.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut series, mut families) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap().to_owned();
            assert!(!families.contains(&name), "{name} is there twice");
            families.push(name);
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(name.starts_with(families.last().unwrap().as_str()), "{line}");
            assert!(series.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    series
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_is_announced_and_their_number_is_bounded() {
    let server = Server::start().await;
    let mut keyspaces = KeyspacesClient::new(server.channel.clone());
    for number in 0..120 {
        let name = format!("k{number}");
        keyspaces.create(CreateKeyspaceRequest { name, ..Default::default() }).await.unwrap();
    }
    let mut kv = KvClient::new(server.channel.clone());
    kv.put(PutRequest { key: "a".into(), ..PutRequest::default() }).await.unwrap();
    kv.put(PutRequest::default()).await.unwrap_err();
    let series = parsed(&scrape(&server).await);
    let of = |name: &str| series.keys().filter(|it| it.starts_with(name)).count();
    assert_eq!(of("hiraeth_region_term{"), 100);
    // Whatever other tests of this process called: the most are methods times codes.
    assert!(series.len() < 2_000, "{} series", series.len());
    let at = |name: &str| series.get(name).copied().unwrap_or_else(|| panic!("{name} is missing"));
    assert!((at("hiraeth_regions{state=\"active\"}") - 122.0).abs() < 0.5);
    assert!(at("hiraeth_proposals_total{outcome=\"applied\"}") >= 121.0);
    assert!(at("hiraeth_region_commit_index{region=\"2\",keyspace=\"default\"}") >= 2.0);
    for name in [
        "hiraeth_log_sync_seconds_count",
        "hiraeth_log_batch_writes_count",
        "hiraeth_applied_entries_total",
        "hiraeth_disk_free_bytes",
        "hiraeth_leader_changes_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "etcd_server_has_leader",
    ] {
        assert!(at(name) > 0.0, "{name}");
    }
    server.stop().await;
}

/// What operators are given: alarms, and the dashboard.
const ALERTS: &str = include_str!("../../../../packaging/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../../packaging/grafana/hiraeth.json");

/// The names of ours in a text: those of a gateway are for its own tests.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let ours = ["hiraeth_", "etcd_", "process_", "grpc_server_"];
    words
        .filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)))
        .filter(|word| !word.starts_with("hiraeth_gateway_"))
        .collect()
}

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate in use, that ends in a day.
fn certificate() -> Arc<tls::Set> {
    let (authority, own) = tls::Authority::create("test", SystemTime::now(), DAY * 2).unwrap();
    let wanted = tls::Wanted {
        role: tls::Role::Client,
        name: "alice",
        hosts: &[],
        from: SystemTime::now(),
        life: DAY,
    };
    let issued = authority.issue(&wanted).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let files = tls::Files {
        cert: file("alice.crt", &issued.certificate),
        key: file("alice.key", &issued.key),
        trusted_ca: file("ca.crt", &own.certificate),
    };
    tls::Set::outgoing("of a test", files, None).unwrap()
}

/// Series that alarms and dashboard ask for and that are not served would be a silence that looks like
/// health.
#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_dashboard_ask_for_what_is_served() {
    let servers = Server::start_cluster(3).await;
    let register = r#"{"Name":"web","ID":"web-1","Check":{"TTL":"60s"}}"#;
    let mut stream = TcpStream::connect(&servers[0].address).await.unwrap();
    let request = format!(
        "PUT /v1/agent/service/register HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \
         {}\r\n\r\n{register}",
        register.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Where there is TLS, the end of certificates is served, too.
    let secured = certificate();
    let mut series = BTreeMap::new();
    for server in &servers {
        series.extend(parsed(&scrape(server).await));
    }
    let served: BTreeSet<&str> = series.keys().filter_map(|name| name.split('{').next()).collect();
    for (file, text) in [("alerts.yml", ALERTS), ("hiraeth.json", DASHBOARD)] {
        let names = named(text);
        assert!(names.len() > 15, "{file} names {names:?} only");
        for name in names {
            assert!(served.contains(name), "{file} asks for {name}, which no server has");
        }
    }
    let at = |name: &str| series.get(name).copied().unwrap_or_else(|| panic!("{name} is missing"));
    assert!((at("hiraeth_members{part=\"voter\"}") - 3.0).abs() < 0.5);
    assert!(at("hiraeth_registry_instances") >= 1.0 && at("hiraeth_registry_checks") >= 1.0);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((at("hiraeth_clock_seconds") - clock.as_secs_f64()).abs() < 30.0);
    assert!(at("process_start_time_seconds") <= at("hiraeth_clock_seconds"));
    // Whoever sees it move takes it for a start.
    for server in &servers {
        let again = parsed(&scrape(server).await);
        assert_eq!(again["process_start_time_seconds"], at("process_start_time_seconds"));
    }
    assert!(at("process_max_fds") >= at("process_open_fds"));
    let ends = at("hiraeth_tls_certificate_not_after_seconds{use=\"of a test\"}");
    assert!((ends - clock.as_secs_f64() - DAY.as_secs_f64()).abs() < 60.0, "{ends}");
    drop(secured);
    for server in servers {
        server.stop().await;
    }
}
