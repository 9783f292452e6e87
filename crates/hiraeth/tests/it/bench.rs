//! `hiraeth bench` against a real server: what it says it did must be what the server did.

use std::time::Duration;

use serde_json::Value;

use crate::program::tool;
use crate::server::Single;

fn bench(endpoint: &str, arguments: &str) -> Value {
    let words: Vec<&str> = ["bench", "--output", "json", "--keys", "200"]
        .into_iter()
        .chain(arguments.split_whitespace())
        .collect();
    tool(endpoint, &words).json()
}

fn number(report: &Value, at: &str) -> u64 {
    report.pointer(at).and_then(Value::as_u64).unwrap_or_else(|| panic!("{at} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_counts_what_the_server_did() {
    let single = Single::start().await;
    let client = single.client().await;
    let endpoint = single.server.client.as_str();
    let revision = async || client.get("a key").await.unwrap().revision;

    // A number of puts: no more and no less.
    let before = revision().await;
    let report = bench(endpoint, "put --total 500 --clients 20 --connections 3");
    assert_eq!((number(&report, "/operations"), number(&report, "/acknowledged")), (500, 500));
    assert_eq!(revision().await - before, 500);
    assert_eq!(number(&report, "/latency_ms/put/count"), 500);

    // Some time of puts, with load around it that is not measured.
    let before = revision().await;
    let report =
        bench(endpoint, "put --warm-up 200ms --duration 500ms --clients 9 --value-size 3000");
    let (operations, acknowledged) =
        (number(&report, "/operations"), number(&report, "/acknowledged"));
    assert_eq!(revision().await - before, i64::try_from(acknowledged).unwrap());
    assert!(0 < operations && operations < acknowledged, "{report}");
    assert_eq!(report["errors"], serde_json::json!({}));

    // An open loop does what was due, neither faster nor slower.
    let before = revision().await;
    let report = bench(endpoint, "put --rate 400 --warm-up 100ms --duration 1s");
    assert_eq!(revision().await - before, 440);
    assert_eq!(number(&report, "/latency_ms/put/count"), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_load_a_bench_knows_runs_without_an_error() {
    let single = Single::start().await;
    let client = single.client().await;
    let endpoint = single.server.client.as_str();
    bench(endpoint, "fill --values half");
    assert_eq!(client.get(client::Get::prefix("00000")).await.unwrap().count, 200);

    let short = "--warm-up 50ms --duration 250ms --clients 12 --connections 4";
    for mode in ["get", "get --serializable", "mix", "range --limit 7", "txn"] {
        let report = bench(endpoint, &format!("{mode} {short}"));
        assert!(number(&report, "/operations") > 0, "{report}");
        let notes = report["notes"].as_object().unwrap();
        // A comparison fails once per key, from which the present revision is learned.
        assert!(notes.keys().all(|note| note == "comparisons that did not hold"), "{report}");
    }

    // Each put is seen by each watcher once.
    let report = bench(endpoint, "watch --total 30 --watchers 60 --watched-keys 3 --writers 2");
    assert_eq!(number(&report, "/acknowledged"), 30 * 20, "{report}");
    assert_eq!(number(&report, "/latency_ms/last event of a put/count"), 30);
    assert_eq!(number(&report, "/latency_ms/put/count"), 30);

    let report = bench(endpoint, "keep-alive --streams 2 --total 300 --clients 30");
    assert_eq!(number(&report, "/operations"), 300);
    assert!(client.leases().await.unwrap().is_empty(), "the bench cleans up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_measures_the_processes_it_is_given_and_tells_what_fails() {
    let single = Single::start().await;
    let endpoint = single.server.client.as_str();
    let pid = single.server.pid().to_string();
    let report = bench(endpoint, &format!("put --duration 1s --warm-up 100ms --pids {pid}"));
    assert_eq!(report["servers"]["each"][0]["pid"].to_string(), pid);
    assert!(report["servers"]["cpu_seconds"].as_f64().unwrap() > 0.0, "{report}");
    assert!(number(&report, "/servers/resident_bytes") > 1 << 20);
    assert!(report["servers"]["written_bytes_per_operation"].as_f64().unwrap() > 256.0, "{report}");

    let ended = tool(endpoint, &["bench", "put", "--pids", "4194304", "--total", "1"]);
    assert!(ended.failed(1).contains("--pids"));
    let ended = tool("127.0.0.1:1", &["bench", "put", "--total", "1"]);
    assert!(ended.failed(5).contains("127.0.0.1:1"));
    let ended = tool(endpoint, &["bench", "put", "--keys", "10", "--key-size", "1", "--rate", "0"]);
    assert!(ended.failed(2).contains("--rate"));

    // A server that dies is an error, not a quiet end.
    let mut single = single;
    let words = ["bench", "put", "--duration", "2s", "--timeout", "500ms", "--output", "json"];
    let address = single.server.client.clone();
    let benching = std::thread::spawn(move || tool(&address, &words));
    std::thread::sleep(Duration::from_millis(1700));
    single.server.kill();
    let ended = benching.join().unwrap();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(number(&report, "/acknowledged") > 0);
    assert!(!report["errors"].as_object().unwrap().is_empty(), "{report}");
}
