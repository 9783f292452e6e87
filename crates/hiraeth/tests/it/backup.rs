//! Backups: taken while it is written to, and everything that was acknowledged before there again after all
//! was lost; those that are damaged, refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use client::{Client, Get, Options, Put, Write};

use crate::program::tool;
use crate::server::{Server, Single, Three};

const NAMES: [&str; 3] = ["n1", "n2", "n3"];

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes keys in order, and knows how many were acknowledged.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    pub(crate) fn begin(client: Client) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopping, count) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            for number in 1_u64.. {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let put = Put::new(format!("load/{number:06}"), number.to_string());
                client.put(put).await.unwrap();
                count.store(number, Ordering::Release);
            }
        });
        Self { stop, acknowledged, task }
    }

    pub(crate) fn so_far(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(crate) async fn reaches(&self, number: u64) {
        while self.so_far() < number {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.task.await.unwrap();
        self.acknowledged.load(Ordering::Acquire)
    }
}

async fn all_of(client: &Client) -> BTreeMap<Vec<u8>, (Vec<u8>, i64, i64)> {
    let records = client.get(Get::range(vec![0_u8], "")).await.unwrap();
    let shown = records
        .kvs
        .into_iter()
        .map(|kv| (kv.key.to_vec(), (kv.value.to_vec(), kv.mod_revision, kv.version)));
    shown.collect()
}

/// Runs the tool off the threads that the load needs.
pub(crate) async fn run(endpoints: String, arguments: Vec<String>) -> crate::program::Ended {
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        tool(&endpoints, &arguments)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Three new servers with data directories made of the backup.
pub(crate) async fn restored(directory: &Path, backup: &Path) -> Vec<Server> {
    let mut servers: Vec<_> = NAMES.iter().map(|name| Server::new(directory, name)).collect();
    let members: Vec<_> =
        servers.iter().map(|server| format!("{}={}", server.name, server.peer)).collect();
    let members = members.join(",");
    let mut clusters = Vec::new();
    for server in &mut servers {
        let arguments = [
            "restore",
            "--from",
            path(backup),
            "--data-dir",
            path(&server.data),
            "--name",
            &server.name,
            "--initial-cluster",
            &members,
            "--output",
            "json",
        ];
        clusters.push(tool("", &arguments).json()["cluster"].clone());
        server.start(&["serve", "--name", &server.name.clone(), "--initial-cluster", &members]);
    }
    assert!(clusters.iter().all(|cluster| cluster == &clusters[0]), "{clusters:?}");
    for server in &servers {
        server.serves().await;
    }
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_is_there_after_all_was_lost() {
    let three = Three::start().await;
    let endpoints = three.endpoints().join(",");
    let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
    client.create_keyspace("plain").await.unwrap();
    let split_at = vec!["m".into(), "t".into()];
    // One replica of each: no node has all of it, and what is missing on one is asked of the others.
    client.create_sharded_keyspace("wide", split_at, Some(1)).await.unwrap();
    let lease = client.grant_lease(3_000, 77).await.unwrap().id;
    client.put(Put::new("with a lease", "1").lease(lease)).await.unwrap();
    for number in 0..5 {
        client.put(Put::new("often", number.to_string())).await.unwrap();
    }
    client.delete(client::Delete::key("often")).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    let key = |number: u32| format!("{}{number}", char::from(b'a' + (number % 26) as u8));
    let writes = (0..200).map(|number| Write::Put(Put::new(key(number), number.to_string())));
    for part in wide.write_batch(writes).await {
        part.outcome.unwrap();
    }
    let plain = client.in_keyspace("plain").unwrap();
    plain.put(Put::new("k", "v")).await.unwrap();

    let load = Load::begin(client.clone());
    load.reaches(50).await;
    let before = load.so_far();
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup");
    let taken = words(&["admin", "backup", "--out", path(&backup), "--output", "json"]);
    let told = run(endpoints.clone(), taken).await.json();
    let after = load.end().await;
    assert!(after > before, "it was written to meanwhile");
    let default = &told["keyspaces"][0];
    let (revision, wide_then) = (default["revision"].as_i64().unwrap(), all_of(&wide).await);
    let at_backup = client.get(Get::range(vec![0_u8], "").revision(revision)).await.unwrap().kvs;
    drop(three);

    let servers = restored(directory.path(), &backup).await;
    let endpoints: Vec<_> = servers.iter().map(|server| server.client.clone()).collect();
    let client = Client::connect(endpoints, Options::default()).await.unwrap();
    let now = client.get(Get::range(vec![0_u8], "")).await.unwrap();
    assert_eq!(now.kvs, at_backup, "key by key, with revisions, versions and leases");
    assert_eq!(now.revision, revision);
    let found = now.kvs.iter().filter(|kv| kv.key.starts_with(b"load/")).count() as u64;
    assert!(found >= before, "{before} were acknowledged before, {found} are there");
    let old = client.get(Get::key("often").revision(revision)).await.unwrap();
    assert!(old.kvs.is_empty());
    let then = client.get(Get::key("often").revision(6)).await.unwrap().kvs;
    assert_eq!(then.len(), 1, "history is there, too");
    let left = client.lease_time_to_live(77, true).await.unwrap();
    assert_eq!((left.granted_seconds, left.keys.len()), (3_000, 1));
    assert_eq!(all_of(&client.in_keyspace("wide").unwrap()).await, wide_then);
    let plain = client.in_keyspace("plain").unwrap();
    assert_eq!(all_of(&plain).await.len(), 1);
    // It goes on from there.
    let next = client.put(Put::new("next", "1")).await.unwrap();
    assert_eq!(next.revision, revision + 1);

    // Into a keyspace of what lives.
    let endpoints = servers[0].client.clone();
    let into = |more: &[&str]| {
        let from = ["admin", "restore", "--from", path(&backup), "--into"];
        words(&[&from[..], more].concat())
    };
    let refused = run(endpoints.clone(), into(&["nowhere", "--of", "default"])).await.failed(3);
    assert!(refused.contains("keyspace not found: nowhere"), "{refused}");
    let refused = run(endpoints.clone(), into(&["plain", "--of", "wide"])).await.failed(1);
    assert!(refused.contains("has keys already"), "{refused}");
    client.create_keyspace("copy").await.unwrap();
    let put = run(endpoints.clone(), into(&["copy", "--of", "default"])).await.well();
    assert!(put.contains("1 leases"), "{put}");
    let values = |kvs: Vec<client::KeyValue>| {
        let shown = kvs.into_iter().map(|kv| (kv.key, kv.value, kv.lease));
        shown.collect::<Vec<_>>()
    };
    let copy = client.in_keyspace("copy").unwrap();
    let copied = copy.get(Get::range(vec![0_u8], "")).await.unwrap().kvs;
    assert_eq!(values(copied), values(at_backup));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_not_whole_is_refused_and_nothing_is_made() {
    let single = Single::start().await;
    let client = single.client().await;
    for number in 0..20 {
        client.put(Put::new(format!("key {number}"), vec![7; 20_000])).await.unwrap();
    }
    client.create_keyspace("one").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let endpoint = single.server.client.clone();
    let backup = file("backup");
    let take = |keyspace: &str, out: &Path| {
        tool(&endpoint, &["admin", "backup", "--keyspace", keyspace, "--out", path(out)])
    };
    tool(&endpoint, &["admin", "backup", "--out", path(&backup)]).well();
    let again = tool(&endpoint, &["admin", "backup", "--out", path(&backup)]).failed(1);
    assert!(again.contains("is there already"), "{again}");
    take("one", &file("one")).well();
    let unknown = take("nowhere", &file("never")).failed(3);
    assert!(unknown.contains("keyspace not found: nowhere"), "{unknown}");
    let whole = std::fs::read(&backup).unwrap();
    let data = file("data");
    let restore = |from: &Path| {
        tool("", &["restore", "--from", path(from), "--data-dir", path(&data)]).failed(1)
    };
    let bad = file("bad");
    let mut seen = Vec::new();
    let step = (whole.len() / 40).max(1);
    for at in (0..whole.len()).step_by(step) {
        std::fs::write(&bad, &whole[..at]).unwrap();
        let refused = restore(&bad);
        assert!(refused.contains("not whole") || refused.contains("no backup"), "{at}: {refused}");
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&bad, &damaged).unwrap();
        seen.push(restore(&bad));
    }
    let told = seen.iter().all(|it| it.contains("damaged") || it.contains("no backup"));
    assert!(told, "{seen:?}");
    // A part that is there twice: each is whole.
    let newer = String::from_utf8_lossy(&whole).find("\"version\":2").unwrap();
    assert!(newer < 200, "the beginning says which version it is");
    std::fs::write(&bad, [&whole[..], &whole[..]].concat()).unwrap();
    assert!(restore(&bad).contains("more behind its end"));
    let one = restore(&file("one"));
    assert!(one.contains("admin restore"), "{one}");
    assert!(!data.exists(), "nothing was made");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("something"), "").unwrap();
    let occupied = restore(&backup);
    assert!(occupied.contains("is not empty (something)"), "{occupied}");
    let left: Vec<PathBuf> =
        std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(left.iter().all(|it| it.extension().is_none()), "{left:?}");
}
