//! A sharded keyspace from the command line, with a server that is killed.

use std::time::Duration;

use client::{Client, Delete, Options, Put};

use crate::program::tool;
use crate::server::Single;

#[tokio::test(flavor = "multi_thread")]
async fn a_sharded_keyspace_is_made_split_read_and_there_after_a_kill() {
    let mut single = Single::start().await;
    let at = single.server.client.clone();
    let run = |arguments: &[&str]| tool(&at, arguments);
    let json = |arguments: &[&str]| run(&[arguments, &["--output", "json"]].concat()).json();
    let made = json(&["keyspace", "create", "wide", "--sharded", "--split-at", "m"]);
    assert_eq!(made["sharded"], true);
    for key in ["a", "k", "m", "p", "z"] {
        run(&["kv", "put", key, key, "--keyspace", "wide"]).well();
    }
    let child = json(&["keyspace", "split", "wide", "--at", "p"])["region"].as_u64().unwrap();
    run(&["kv", "put", "q", "q", "--keyspace", "wide"]).well();
    let swap = ["--if", "value(q)=q", "--then", "put q 2", "--then", "put r 1"];
    run(&[&["kv", "txn", "--keyspace", "wide"], &swap[..]].concat()).well();
    let across = ["kv", "txn", "--keyspace", "wide", "--then", "put a 1", "--then", "put z 1"];
    assert!(run(&across).failed(2).contains("several regions"));
    let previous = ["kv", "watch", "a", "--previous", "--keyspace", "wide"];
    assert!(run(&previous).failed(2).contains("sharded"));
    assert!(run(&["keyspace", "split", "default", "--at", "p"]).failed(2).contains("sharded"));
    let nodes = json(&["admin", "node", "list"]);
    let wanted = serde_json::json!({ "phase": "member", "draining": false, "replicas": 3 });
    for (field, wanted) in wanted.as_object().unwrap() {
        assert_eq!(&nodes[0][field], wanted, "{field}");
    }
    // There is no other server for its replicas: they stay.
    let name = nodes[0]["name"].as_str().unwrap();
    let drained = run(&["admin", "node", "drain", name]);
    assert!(drained.stderr.contains("0 other servers take any"), "{}", drained.stderr);
    assert!(drained.stdout.contains("draining"), "{}", drained.stdout);
    assert_eq!(json(&["admin", "node", "fill", name])[0]["replicas"], 3);
    assert!(run(&["admin", "node", "drain", "nobody"]).failed(2).contains(name));
    // More than a page, over several regions: each page is as of its own moment.
    for first in ["b", "n"] {
        let puts: Vec<_> = (100..180).map(|number| format!("put {first}{number} x")).collect();
        let puts: Vec<_> = puts.iter().flat_map(|put| ["--then", put]).collect();
        run(&[&["kv", "txn", "--keyspace", "wide"], &puts[..]].concat()).well();
    }
    for round in 0..2 {
        let regions = json(&["keyspace", "regions", "wide"]);
        let regions = regions.as_array().unwrap();
        assert_eq!(regions.len(), 3);
        assert_eq!(regions[2]["region"].as_u64(), Some(child));
        assert!(regions[0]["end"] == regions[1]["start"] && regions[2]["end"].is_null());
        let found = json(&["kv", "scan", "--keyspace", "wide"]);
        assert_eq!(found["count"], 7 + 160);
        assert_eq!(found["kvs"].as_array().map(Vec::len), Some(7 + 160));
        let text = found.to_string();
        for key in ["a", "k", "m", "p", "q", "r", "z"] {
            assert!(text.contains(&format!("\"key_text\":\"{key}\"")), "{key} in {text}");
        }
        if round == 0 {
            single.server.kill();
            single.server.start(&[]);
            single.server.serves().await;
        }
    }
}

/// What is acknowledged is there after a kill, also what went to the disk before; above its limit it takes
/// nothing more and says why, and other keyspaces go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyspace_in_memory_is_split_killed_and_full() {
    let mut single = Single::start_with(&["--memory-keyspaces-mib", "24"]).await;
    let at = single.server.client.clone();
    let run = |arguments: &[&str]| tool(&at, arguments);
    let json = |arguments: &[&str]| run(&[arguments, &["--output", "json"]].concat()).json();
    assert!(run(&["keyspace", "create", "hot", "--in-memory"]).failed(2).contains("--sharded"));
    let made = json(&["keyspace", "create", "hot", "--sharded", "--in-memory", "--split-at", "m"]);
    assert_eq!((&made["sharded"], &made["in_memory"]), (&true.into(), &true.into()));
    run(&["keyspace", "create", "cold", "--sharded"]).well();
    assert!(run(&["keyspace", "list"]).well().contains("sharded, in memory"));
    let options =
        |keyspace: &str| Options { keyspace: Some(keyspace.to_owned()), ..Options::default() };
    let hot = Client::lazy([at.clone()], options("hot")).unwrap();
    let cold = Client::lazy([at.clone()], options("cold")).unwrap();
    // More than an overlay has room for, so that some of it is in tables and some is not.
    let value = vec![b'v'; 512 << 10];
    let mut keys = 0;
    let refused = loop {
        match hot.put(Put::new(format!("key-{keys:04}"), value.clone())).await {
            Ok(_) => keys += 1,
            Err(refused) => break refused.to_string(),
        }
        assert!(keys < 1_000, "it is never full");
    };
    assert!(keys >= 48 && refused.contains("--memory-keyspaces-mib"), "{keys}: {refused}");
    cold.put(Put::new("elsewhere", "is room")).await.unwrap();
    hot.delete(Delete::key("key-0000")).await.unwrap();
    json(&["keyspace", "split", "hot", "--at", "key-0020"]);
    for round in 0..2 {
        assert_eq!(hot.get("key-0000").await.unwrap().count, 0);
        for key in 1..keys {
            let found = hot.get(format!("key-{key:04}")).await.unwrap();
            assert!(found.kvs[0].value == value, "key {key} in round {round}");
        }
        if round == 0 {
            single.server.kill();
            single.server.start(&["--memory-keyspaces-mib", "24"]);
            single.server.serves().await;
        }
    }
    for key in 1..keys {
        hot.delete(Delete::key(format!("key-{key:04}"))).await.unwrap();
    }
    let takes_again = async {
        while hot.put(Put::new("small", "value")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), takes_again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_is_asked_for_most_is_shown_with_its_share() {
    let single = Single::start().await;
    let at = single.server.client.clone();
    tool(&at, &["keyspace", "create", "wide", "--sharded"]).well();
    let options = Options { keyspace: Some("wide".to_owned()), ..Options::default() };
    let client = Client::lazy([at.clone()], options).unwrap();
    let asking = (0..8_u32).map(|task| {
        let client = client.clone();
        tokio::spawn(async move {
            for number in 0..600 {
                let key = match number % 4 {
                    0 => format!("k{task}-{number}"),
                    _ => "a\nb".to_owned(),
                };
                client.get(key).await.unwrap();
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    // Within two seconds it is an estimate over a whole one.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let hot = tool(&at, &["hot", "--keyspace", "wide", "--output", "json", "--keys", "1"]).json();
    assert_eq!(
        (&hot["keyspace_name"], &hot["keys"][0]["key_text"]),
        (&"wide".into(), &"a\nb".into())
    );
    assert!(hot["rate"].as_u64().unwrap() > 50, "{hot}");
    let share = hot["keys"][0]["share"].as_f64().unwrap();
    assert!((0.5..0.95).contains(&share) && hot["keys"].as_array().unwrap().len() == 1, "{hot}");
    let table = tool(&at, &["hot"]).well();
    assert!(table.contains("a\\nb") && table.contains("wide"), "{table}");
}
