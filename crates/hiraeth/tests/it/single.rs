//! One server.

use std::time::{Duration, Instant};

use client::{Get, Put};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{tool, until};
use crate::server::Single;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_settings_serves_and_keeps_what_it_acknowledged() {
    let mut single = Single::start().await;
    let client = single.client().await;
    for number in 0..50 {
        client.put(Put::new(format!("key/{number:03}"), format!("{number}"))).await.unwrap();
    }
    // The command without a name serves; its log says what it does.
    assert!(single.server.log().contains("ready"), "{}", single.server.log());

    single.server.kill();
    single.server.start(&["serve"]);
    single.server.serves().await;
    let records = client.get(Get::prefix("key/")).await.unwrap();
    assert_eq!(records.count, 50);
    assert!((0..).zip(&records.kvs).all(|(number, kv)| kv.value == number.to_string()));

    single.server.stop();
    single.server.start(&[]);
    single.server.serves().await;
    let scanned = tool(&single.server.client, &["kv", "scan", "key/", "--keys-only"]).well();
    assert_eq!(scanned.lines().count(), 51, "{scanned}");
}

/// What is under way has five seconds when a server stops; who has asked for nothing has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_waits_for_nobody_who_asked_for_nothing() {
    const GRACE: Duration = Duration::from_secs(5);
    let mut single = Single::start().await;
    let server = &single.server;
    let mut silent = Vec::new();
    for address in [&server.client, &server.http] {
        for said in ["", "GET /live", "GET /livez HTTP/1.1\r\nhost: n\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        // One that has asked, and then says nothing for long.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: n\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
        silent.push(stream);
    }
    let mut stream = TcpStream::connect(&server.client).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    silent.push(stream);
    // Whatever was sent before is there by now.
    server.serves().await;
    let began = Instant::now();
    single.server.stop();
    assert!(began.elapsed() < GRACE - Duration::from_secs(1), "{:?}", began.elapsed());
    for mut stream in silent {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// Terminals that close send it, and service managers to have settings read again.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_does_not_end_a_server_without_certificates() {
    let single = Single::start().await;
    for times in 1..=2 {
        single.server.signal(Signal::HUP);
        until("it says that there is nothing to do", || {
            single.server.log().matches("SIGHUP: there are no certificates").count() == times
        });
    }
    single.server.serves().await;
}

/// What `packaging/container/compose.yaml` asks a node of that may have no keys, and may have no leader.
#[tokio::test(flavor = "multi_thread")]
async fn the_containers_health_check_is_well_where_a_node_answers() {
    const COMPOSE: &str = include_str!("../../../../packaging/container/compose.yaml");
    const OWN: &str = "127.0.0.1:2379";
    let line = COMPOSE.lines().find_map(|line| line.trim().strip_prefix("test: ")).unwrap();
    let words: Vec<String> = serde_json::from_str(line).unwrap();
    assert_eq!(words[..2], ["CMD", "/hiraeth"]);
    assert!(words.iter().any(|word| word == OWN), "{words:?}");
    let mut single = Single::start().await;
    let own = single.server.client.clone();
    let words = words.iter().map(|word| if word == OWN { own.as_str() } else { word });
    let arguments: Vec<&str> = words.skip(2).collect();
    tool("", &arguments).well();
    single.server.stop();
    assert_ne!(tool("", &arguments).code, 0);
}
