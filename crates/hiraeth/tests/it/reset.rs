//! Two of three nodes are lost for good: the third goes on alone, and the others come as new ones.

use client::{Client, Get, Options, Put, Write};

use crate::program::{DEADLINE, tool};
use crate::server::{Server, Three, until_all_is_well};

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_goes_on_alone_and_refuses_those_of_before() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints().join(",");
    let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
    client.create_sharded_keyspace("wide", vec!["m".into()], None).await.unwrap();
    for number in 0..100 {
        client.put(Put::new(format!("key {number}"), number.to_string())).await.unwrap();
    }
    let wide = client.in_keyspace("wide").unwrap();
    for part in wide.write_batch(["a", "z"].map(|key| Write::Put(Put::new(key, "1")))).await {
        part.outcome.unwrap();
    }
    tokio::task::spawn_blocking(move || until_all_is_well(&endpoints)).await.unwrap();
    let before = client.get(Get::range(vec![0_u8], "")).await.unwrap();
    let (mut lost, mut other) = (three.servers.remove(2), three.servers.remove(1));
    lost.kill();
    std::fs::remove_dir_all(&lost.data).unwrap();
    other.kill();
    let survivor = &mut three.servers[0];
    let data = survivor.data.to_str().unwrap().to_owned();
    let reset =
        |more: &[&str]| tool("", &[&["admin", "reset-peers", "--data-dir", &data], more].concat());
    let running = reset(&["--yes-lose-data"]).failed(1);
    assert!(running.contains("in use by another process"), "{running}");
    survivor.kill();
    let told = reset(&[]);
    assert_eq!(told.code, 4, "{}{}", told.stdout, told.stderr);
    assert!(told.stderr.contains("--yes-lose-data"), "{}", told.stderr);
    let done = reset(&["--yes-lose-data", "--output", "json"]).json();
    let regions = done["regions"].as_array().unwrap();
    assert!(regions.len() >= 4 && regions.iter().all(|it| it["state"] != "lost"), "{done}");
    assert_ne!(done["cluster"], done["new_cluster"]);

    let again = reset(&["--yes-lose-data"]).failed(1);
    assert!(again.contains("the only one of its cluster already"), "{again}");

    // Broken off in the middle, it does not start before that was done.
    std::fs::write(survivor.data.join("RESETTING"), "").unwrap();
    survivor.start(&["serve", "--name", "n1"]);
    assert_eq!(survivor.ended(), Some(1), "{}", survivor.log());
    assert!(survivor.log().contains("reset-peers` on it again"), "{}", survivor.log());
    reset(&["--yes-lose-data"]).well();

    survivor.start(&["serve", "--name", "n1"]);
    survivor.serves().await;
    let client = Client::connect([survivor.client.as_str()], Options::default()).await.unwrap();
    let after = client.get(Get::range(vec![0_u8], "")).await.unwrap();
    assert_eq!(after.kvs, before.kvs);
    client.put(Put::new("after", "1")).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    assert_eq!(wide.get(Get::range("a", "n")).await.unwrap().kvs.len(), 1);
    wide.put(Put::new("z", "2")).await.unwrap();

    // One of before has data, but of another cluster.
    let members = format!("n1={},n2={}", survivor.peer, other.peer);
    other.start(&["serve", "--name", "n2", "--initial-cluster", &members]);
    crate::program::until("the old node is refused", || {
        survivor.log().contains("node n2 (2 at") && survivor.log().contains("belongs to cluster")
    });
    other.kill();

    // And comes as a new one, with an empty directory.
    let directory = tempfile::tempdir().unwrap();
    let mut newcomer = Server::new(directory.path(), "n4");
    let endpoint = survivor.client.clone();
    tool(&endpoint, &["admin", "node", "add", &newcomer.peer]).well();
    newcomer.start(&["serve", "--name", "n4", "--join", &survivor.peer.clone()]);
    newcomer.serves().await;
    tokio::task::spawn_blocking(move || until_all_is_well(&endpoint)).await.unwrap();
}

/// Regions whose only replica is gone begin empty, and serve; those that are here are whole.
#[tokio::test(flavor = "multi_thread")]
async fn regions_that_had_no_replica_on_the_survivor_begin_empty() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints().join(",");
    let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
    let bounds: Vec<bytes::Bytes> = ["d", "h", "l", "p", "t"].map(Into::into).into();
    client.create_sharded_keyspace("wide", bounds, Some(1)).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    let keys = ["a", "e", "i", "m", "q", "u"];
    for part in wide.write_batch(keys.map(|key| Write::Put(Put::new(key, "1")))).await {
        part.outcome.unwrap();
    }
    tokio::task::spawn_blocking(move || until_all_is_well(&endpoints)).await.unwrap();
    // Each is somewhere, and not all on one node.
    let homes = async || -> Vec<Vec<u64>> {
        let regions = client.keyspace_regions("wide").await.unwrap();
        regions.into_iter().map(|region| region.nodes).collect()
    };
    let spread = async {
        loop {
            let homes = homes().await;
            let alone = homes.iter().all(|nodes| nodes.len() == 1);
            if alone && (1..=3).all(|node| homes.iter().any(|nodes| nodes == &[node])) {
                return homes;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let homes = tokio::time::timeout(DEADLINE, spread).await.unwrap();
    let here = |at: usize| homes[at] == [1];
    three.servers.iter_mut().for_each(Server::kill);
    let survivor = &mut three.servers[0];
    let data = survivor.data.to_str().unwrap().to_owned();
    let arguments =
        ["admin", "reset-peers", "--data-dir", &data, "--yes-lose-data", "--output", "json"];
    let done = tool("", &arguments).json();
    let regions = done["regions"].as_array().unwrap();
    let lost = regions.iter().filter(|it| it["state"] == "lost").count();
    // Lost ones that are side by side are one region from here on.
    let gaps = (0..keys.len()).filter(|at| !here(*at) && (*at == 0 || here(*at - 1)));
    assert_eq!((lost, lost > 0), (gaps.count(), true), "{homes:?} {done}");

    survivor.start(&["serve", "--name", "n1"]);
    survivor.serves().await;
    let client = Client::connect([survivor.client.as_str()], Options::default()).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    for (at, key) in keys.into_iter().enumerate() {
        let found = wide.get(Get::key(key)).await.unwrap().kvs;
        assert_eq!(!found.is_empty(), here(at), "{key}: {homes:?}");
        wide.put(Put::new(key, "2")).await.unwrap();
        assert_eq!(wide.get(Get::key(key)).await.unwrap().kvs[0].value, "2");
    }
    // They are there after a restart, too: what is empty is so for good, not by oversight.
    survivor.stop();
    survivor.start(&["serve", "--name", "n1"]);
    survivor.serves().await;
    let all = wide.get(Get::range(vec![0_u8], "")).await.unwrap().kvs;
    assert_eq!(all.len(), keys.len());
    assert!(all.iter().all(|kv| kv.value == "2"));
}
