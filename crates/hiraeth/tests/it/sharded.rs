//! A sharded keyspace from the command line, with a server that is killed.

use client::{Client, Options};

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
