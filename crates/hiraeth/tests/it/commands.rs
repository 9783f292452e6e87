//! What the commands print, for people and for programs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use client::Put;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{program, signal, tool, tool_with, wait};
use crate::server::Single;

/// A record as the tool prints it in JSON.
fn record(key: (&str, &str), value: (&str, &str), revisions: [i64; 3]) -> Value {
    json!({
        "key": key.0, "key_text": key.1, "value": value.0, "value_text": value.1,
        "create_revision": revisions[0], "mod_revision": revisions[1], "version": revisions[2],
        "lease": null,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values() {
    let single = Single::start().await;
    let run = |arguments: &[&str]| tool(&single.server.client, arguments);
    let with =
        |arguments: &[&str], input: &[u8]| tool_with(&single.server.client, arguments, input);

    assert_eq!(run(&["kv", "put", "a", "1"]).well(), "revision 2\n");
    let put = run(&["kv", "put", "a", "-2", "--previous", "--output", "json"]).json();
    let one = record(("YQ==", "a"), ("MQ==", "1"), [2, 2, 1]);
    assert_eq!(put, json!({ "revision": 3, "previous": one }));
    with(&["kv", "put", "b", "-"], b"two\nlines\xff\0").well();
    assert_eq!(
        run(&["kv", "get", "a"]).well(),
        "KEY  REVISION  VERSION  LEASE  VALUE\na    3         2        -      -2\n"
    );
    let got = run(&["kv", "get", "a", "--rev", "2", "--output", "json"]).json();
    assert_eq!(got, json!({ "revision": 4, "kv": one }));
    assert_eq!(run(&["kv", "get", "a", "--value-only", "--serializable"]).well(), "-2");
    let missing = run(&["kv", "get", "c", "--output", "json"]);
    assert_eq!((missing.code, missing.stdout), (3, "{\"revision\":4,\"kv\":null}\n".to_owned()));

    assert_eq!(
        run(&["kv", "scan", "--reverse"]).well(),
        "KEY  REVISION  VERSION  LEASE  VALUE\n\
         b    4         1        -      two\\nlines\\xff\\u{0}\n\
         a    3         2        -      -2\n"
    );
    let scan = run(&["kv", "scan", "--from", "a", "--to", "b", "--output", "json"]).json();
    let two = record(("YQ==", "a"), ("LTI=", "-2"), [2, 3, 2]);
    assert_eq!(scan, json!({ "kvs": [two], "count": 1, "more": false, "revision": 4 }));
    let scan = run(&["kv", "scan", "--limit", "1", "--keys-only", "--output", "json"]).json();
    assert_eq!((&scan["more"], &scan["count"]), (&json!(true), &json!(2)));
    assert_eq!(scan["kvs"][0]["value"], json!(null));
    let empty = run(&["kv", "scan", "none", "--output", "json"]).json();
    assert_eq!(empty, json!({ "kvs": [], "count": 0, "more": false, "revision": 4 }));

    assert_eq!(run(&["kv", "delete", "c"]).well(), "deleted 0, revision 4\n");
    let deleted =
        run(&["kv", "delete", "--from", "a", "--to", "b", "--previous", "--output", "json"]);
    assert_eq!(deleted.json(), json!({ "revision": 5, "deleted": 1, "previous": [two] }));
    assert_eq!(run(&["kv", "delete", "", "--prefix"]).well(), "deleted 1, revision 6\n");
}

/// Pages are put together without a gap, whatever is written meanwhile, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn scans_longer_than_a_page() {
    let single = Single::start().await;
    let client = single.client().await;
    let puts = (0..1_200).map(|number| {
        let client = client.clone();
        async move { client.put(Put::new(format!("k{number:05}"), vec![b'v'; 2_000])).await }
    });
    let puts = futures::future::join_all(puts).await;
    assert!(puts.iter().all(Result::is_ok));
    let keys = |arguments: &[&str]| -> Vec<String> {
        let text = tool(&single.server.client, &[&["kv", "scan", "k"], arguments].concat()).well();
        let key = |line: &str| line.split(' ').next().unwrap().to_owned();
        text.lines().skip(1).map(key).collect()
    };
    let mut all: Vec<String> = (0..1_200).map(|number| format!("k{number:05}")).collect();
    assert_eq!(keys(&[]), all);
    assert_eq!(keys(&["--limit", "777"]), all[..777]);
    all.reverse();
    assert_eq!(keys(&["--reverse", "--keys-only"]), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_leases_keyspaces() {
    let single = Single::start().await;
    let run = |arguments: &[&str]| tool(&single.server.client, arguments);

    let take = ["kv", "txn", "--if", "create(lock) = 0", "--then", "put lock \"node 1\""];
    let take = [&take[..], &["--else", "get lock"]].concat();
    assert_eq!(run(&take).well(), "succeeded, revision 2\nput\n");
    let taken = run(&[&take[..], &["--output", "json"]].concat());
    assert_eq!(taken.code, 4, "{}", taken.stderr);
    let taken: Value = serde_json::from_str(&taken.stdout).unwrap();
    let holder = record(("bG9jaw==", "lock"), ("bm9kZSAx", "node 1"), [2, 2, 1]);
    let get = json!({ "type": "get", "count": 1, "more": false, "kvs": [holder] });
    assert_eq!(taken, json!({ "succeeded": false, "revision": 2, "results": [get] }));

    let granted = run(&["lease", "grant", "600", "--id", "7b", "--output", "json"]).json();
    assert_eq!(granted, json!({ "id": "000000000000007b", "ttl_seconds": 600 }));
    run(&["kv", "put", "leased", "x", "--lease", "7b"]).well();
    let left = run(&["lease", "ttl", "7b", "--keys", "--output", "json"]).json();
    assert_eq!(left["keys"], json!([{ "key": "bGVhc2Vk", "key_text": "leased" }]));
    assert_eq!(run(&["lease", "list", "--output", "json"]).json(), json!(["000000000000007b"]));
    let renewed = run(&["lease", "keep-alive", "7b", "--once"]).well();
    assert_eq!(renewed, "lease 000000000000007b renewed, lives for 600 s\n");
    assert_eq!(run(&["lease", "revoke", "7b"]).well(), "lease 000000000000007b revoked\n");
    assert_eq!(run(&["kv", "get", "leased"]).code, 3);

    run(&["keyspace", "create", "tenant"]).well();
    run(&["kv", "put", "lock", "of a tenant", "--keyspace", "tenant"]).well();
    let both = ["default", "tenant"]
        .map(|keyspace| run(&["kv", "get", "lock", "--value-only", "--keyspace", keyspace]).well());
    assert_eq!(both, ["node 1", "of a tenant"]);
    let list = run(&["keyspace", "list", "--output", "json"]).json();
    let tenant = json!({
        "id": 2, "name": "tenant", "region": 3, "sharded": false, "replicas": 0, "in_memory": false
    });
    assert_eq!(list[1], tenant);
    assert!(
        run(&["keyspace", "list"]).well().starts_with("ID  REGION  NAME\n1   2       default\n")
    );

    let screen = run(&["status"]).well();
    for words in ["cluster ", "NODE  NAME", "REGION  KEYSPACE", "tenant", "n1"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(!screen.contains("WARNINGS"), "{screen}");
    let status = run(&["status", "--output", "json"]).json();
    assert_eq!(status["nodes"][0]["client_address"], json!(single.server.client));
    assert_eq!(status["regions"][1]["keyspace_name"], json!("default"));
    assert_eq!(status["regions"][1]["leader"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_from_the_command_line_ends_with_ctrl_c() {
    let single = Single::start().await;
    let client = single.client().await;
    client.put(Put::new("w/a", "1")).await.unwrap();
    let watch = |arguments: &[&str]| {
        let mut command = program();
        command.args(["kv", "watch", "w/", "--prefix", "--rev", "1", "--previous"]).args(arguments);
        command.args(["--endpoints", &single.server.client]);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.spawn().unwrap()
    };
    let mut watches = [watch(&[]), watch(&["--output", "json"])];
    let mut lines = watches
        .each_mut()
        .map(|watch| BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap));
    assert_eq!(lines[0].next().unwrap(), "2 put w/a = 1");
    let first: Value = serde_json::from_str(&lines[1].next().unwrap()).unwrap();
    let one = record(("dy9h", "w/a"), ("MQ==", "1"), [2, 2, 1]);
    assert_eq!(first, json!({ "type": "put", "revision": 2, "kv": one, "previous": null }));

    // Both are under way now; what happens from here on comes by itself.
    tool(&single.server.client, &["kv", "delete", "w/a"]).well();
    assert_eq!(lines[0].next().unwrap(), "3 delete w/a  (was 1)");
    let second: Value = serde_json::from_str(&lines[1].next().unwrap()).unwrap();
    assert_eq!((&second["type"], &second["revision"]), (&json!("delete"), &json!(3)));
    assert_eq!(second["previous"], one);
    for watch in &mut watches {
        signal(watch, Signal::INT);
        assert!(wait(watch).success());
    }
}

#[test]
fn completions_and_help() {
    for shell in ["bash", "zsh", "fish"] {
        let script = tool("127.0.0.1:1", &["completions", shell]).well();
        assert!(script.contains("keep-alive") && script.contains("initial-cluster"), "{shell}");
    }
    let help = tool("127.0.0.1:1", &["kv", "txn", "--help"]).well();
    assert!(help.contains("create(lock) = 0"), "{help}");
    let help = tool("127.0.0.1:1", &["kv", "--help"]).well();
    assert!(help.contains("Exit codes:") && help.contains("create_revision"), "{help}");
}
