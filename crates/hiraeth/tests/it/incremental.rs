//! Backups that hold what came since another: after all was lost, a cluster made of a full one and those
//! behind it is, record by record, the one that a full backup of the same moment makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use client::{Client, Delete, Get, Operation, Options, Put, Span, Txn, Write};
use node::backup::{Contents, Section};
use node::state::beginning::{Fate, fate};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use types::{KeyspaceId, RegionId};

use crate::backup::{Load, path, run, words};
use crate::program::{DEADLINE, Ended, tool};
use crate::server::{Server, Three};

async fn channel(server: &Server) -> tonic::transport::Channel {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", server.client));
    channel.unwrap().connect().await.unwrap()
}

async fn add_user(server: &Server, name: &str) {
    let mut auth = AuthClient::new(channel(server).await);
    let (name, password) = (name.to_owned(), "secret".to_owned());
    auth.role_add(pb::AuthRoleAddRequest { name: name.clone() }).await.unwrap();
    let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
    auth.user_add(add).await.unwrap();
}

async fn service(server: &Server, what: &str, body: &str) {
    let path = format!("/v1/agent/service/{what}");
    let answer = crate::http::ask(&server.http, "PUT", &path, "", body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Keys over all of a sharded keyspace, of 1 KiB each.
async fn fill(client: &Client, what: &str) {
    let put = |number: u32| {
        let key = format!("{}{number}", char::from(b'a' + (number % 26) as u8));
        Write::Put(Put::new(key, format!("{what}{number:01024}")))
    };
    for part in client.write_batch((0..260).map(put)).await {
        part.outcome.unwrap();
    }
}

/// Every version that each revision shows, as the server sums it up.
async fn hashes(server: &Server, keyspace: &str, from: i64, to: i64) -> Vec<(u32, i64)> {
    let mut maintenance = MaintenanceClient::new(channel(server).await);
    let mut all = Vec::new();
    for revision in from..=to {
        let mut request = tonic::Request::new(pb::HashKvRequest { revision });
        request.metadata_mut().insert("hiraeth-keyspace", keyspace.parse().unwrap());
        let answer = maintenance.hash_kv(request).await.unwrap().into_inner();
        all.push((answer.hash, answer.compact_revision));
    }
    all
}

type Records = BTreeMap<(KeyspaceId, Bytes), Bytes>;

/// All that a backup has, but for what is of those who took part.
fn records(file: &Path) -> (Contents, Records) {
    let mut records = Records::new();
    let mut take = |section: &Section, key: &Bytes, value: &Bytes| {
        let keyspace = match section {
            Section::Keyspace(it) if fate(RegionId(it.region), key) == Some(Fate::Kept) => {
                it.keyspace
            }
            Section::Share(it) => it.keyspace,
            _ => return Ok(()),
        };
        records.insert((KeyspaceId(keyspace), key.clone()), value.clone());
        Ok(())
    };
    let contents = Contents::read(std::fs::File::open(file).unwrap(), &mut take).unwrap();
    (contents, records)
}

async fn restored(directory: &Path, name: &str, from: &[&PathBuf]) -> Server {
    let folder = directory.join(name);
    std::fs::create_dir(&folder).unwrap();
    let mut server = Server::new(&folder, "n1");
    let members = format!("n1={}", server.peer);
    let from: Vec<_> = from.iter().flat_map(|it| ["--from", path(it)]).collect();
    let to = ["--data-dir", path(&server.data), "--name", "n1", "--initial-cluster", &members];
    tool("", &[&["restore"][..], &from, &to].concat()).well();
    server.start(&["serve", "--name", "n1", "--initial-cluster", &members]);
    server.serves().await;
    server
}

struct Taking<'a> {
    endpoints: String,
    directory: &'a Path,
}

impl Taking<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    async fn ended(&self, name: &str, since: Option<&str>) -> Ended {
        let (out, base) = (self.file(name), since.map(|since| self.file(since)));
        let mut arguments = words(&["admin", "backup", "--out", path(&out), "--output", "json"]);
        arguments.extend(base.iter().flat_map(|base| words(&["--since", path(base)])));
        run(self.endpoints.clone(), arguments).await
    }

    async fn taken(&self, name: &str, since: Option<&str>) -> serde_json::Value {
        let told = self.ended(name, since).await.json();
        let read =
            run(String::new(), words(&["admin", "backup", "verify", path(&self.file(name))]));
        read.await.well();
        told
    }

    fn bytes(&self, name: &str) -> u64 {
        std::fs::metadata(self.file(name)).unwrap().len()
    }
}

fn of<'a>(told: &'a serde_json::Value, keyspace: &str) -> &'a serde_json::Value {
    let mut all = told["keyspaces"].as_array().unwrap().iter();
    all.find(|it| it["name"] == keyspace).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_and_those_behind_it_make_what_a_full_one_of_the_same_moment_does() {
    let three = Three::start().await;
    let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoints: three.endpoints().join(","), directory: directory.path() };
    let server = &three.servers[0];

    client.create_keyspace("plain").await.unwrap();
    // One replica of each region: no server has all of it.
    client.create_sharded_keyspace("wide", vec!["m".into(), "t".into()], Some(1)).await.unwrap();
    let (plain, wide) = (client.in_keyspace("plain").unwrap(), client.in_keyspace("wide").unwrap());
    fill(&wide, "first").await;
    // Out of reach once the keyspace is compacted, and swept there; the full backup has it.
    for value in ["1", "2"] {
        plain.put(Put::new("early", value)).await.unwrap();
    }
    for number in 0..100 {
        plain.put(Put::new(format!("large {number}"), vec![b'v'; 10_000])).await.unwrap();
        client.put(Put::new(format!("old {number}"), "1")).await.unwrap();
    }
    let (kept, revoked) = (client.grant_lease(3_000, 7).await.unwrap().id, 8);
    client.grant_lease(3_000, revoked).await.unwrap();
    for (key, lease) in [("with a lease", kept), ("revoked", revoked)] {
        client.put(Put::new(key, "1").lease(lease)).await.unwrap();
    }
    service(server, "register", r#"{"Name":"web","ID":"web-1","Address":"10.0.0.7","Port":80}"#)
        .await;
    add_user(server, "alice").await;

    let load = Load::begin(client.clone());
    load.reaches(20).await;
    taking.taken("full", None).await;

    // Of every kind, while it is written to.
    let short = client.grant_lease(1, 9).await.unwrap().id;
    client.put(Put::new("expires", "1").lease(short)).await.unwrap();
    client.grant_lease(4_000, 10).await.unwrap();
    client.put(Put::new("with a lease", "2").lease(10)).await.unwrap();
    client.revoke_lease(revoked).await.unwrap();
    client.delete(Delete::span(Span::range("old 1", "old 5"))).await.unwrap();
    let both = [Put::new("txn 1", "1"), Put::new("txn 2", "1")].map(Operation::Put);
    client.txn(Txn::new().then(both)).await.unwrap();
    service(server, "register", r#"{"Name":"web","ID":"web-2","Address":"10.0.0.8","Port":80}"#)
        .await;
    service(server, "deregister/web-1", "").await;
    add_user(server, "bob").await;
    wide.split("wide", "f").await.unwrap();
    wide.delete(Delete::span(Span::range("b", "c"))).await.unwrap();
    wide.put(Put::new("e", "second")).await.unwrap();
    wide.put(Put::new("g", "second")).await.unwrap();
    client.create_keyspace("later").await.unwrap();
    client.in_keyspace("later").unwrap().put(Put::new("k", "1")).await.unwrap();
    client.create_sharded_keyspace("later-wide", vec!["m".into()], None).await.unwrap();
    client.in_keyspace("later-wide").unwrap().put(Put::new("k", "1")).await.unwrap();
    plain.put(Put::new("large 3", "small")).await.unwrap();
    tokio::time::timeout(DEADLINE, async {
        while !client.get("expires").await.unwrap().kvs.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let before = load.so_far();
    load.reaches(before + 20).await;
    let one = taking.taken("one", Some("full")).await;
    assert!(one["since"].is_string() && of(&one, "default")["since"].is_i64(), "{one}");
    assert!(of(&one, "later")["since"].is_null() && of(&one, "later-wide")["since"].is_null());
    // Of four regions, and only what came is there.
    let told = of(&one, "wide");
    assert_eq!((&told["regions"], &told["versions"]), (&4.into(), &2.into()), "{one}");
    assert_eq!(told["stayed"], 260 - 10, "{one}");
    assert_eq!(of(&one, "plain")["versions"], 1, "{one}");

    // What came before and after it is compacted, with everything that says what was deleted.
    client.delete(Delete::span(Span::range("old 5", "old 7"))).await.unwrap();
    client.put(Put::new("old 8", "2")).await.unwrap();
    client.delete(Delete::key("txn 1")).await.unwrap();
    let gone = client.put(Put::new("marks", "1")).await.unwrap().revision;
    client.compact(gone, true).await.unwrap();
    client.put(Put::new("old 8", "3")).await.unwrap();
    let asked = Client::connect([server.client.as_str()], Options::default()).await.unwrap();
    asked.in_keyspace("plain").unwrap().compact(5, true).await.unwrap();
    let after = load.end().await;
    assert!(after > before + 20, "it was written to meanwhile");
    fill(&client.in_keyspace("later-wide").unwrap(), "later").await;
    let two = taking.taken("two", Some("one")).await;
    let default = of(&two, "default");
    assert!(default["compacted"].as_i64() > default["since"].as_i64(), "{two}");
    assert!(default["stayed"].as_u64() > Some(20), "{two}");
    assert_eq!(of(&two, "plain")["compacted"], 5, "{two}");

    wide.put(Put::new("e", "third")).await.unwrap();
    plain.put(Put::new("little", "1")).await.unwrap();
    client.delete(Delete::key("old 8")).await.unwrap();
    taking.taken("three", Some("two")).await;
    let whole = taking.taken("whole", None).await;
    let (little, much) = (taking.bytes("three"), taking.bytes("whole"));
    assert!(much > 1_000_000 && little < much / 20, "{little} bytes of {much}");

    let others = tempfile::tempdir().unwrap();
    let [full, one, two, three_] = ["full", "one", "two", "three"].map(|name| taking.file(name));
    drop(three);
    let chain = restored(others.path(), "chain", &[&full, &one, &two, &three_]).await;
    let single = restored(others.path(), "single", &[&taking.file("whole")]).await;
    for keyspace in ["default", "plain", "later"] {
        let told = of(&whole, keyspace);
        let (from, to) = (&told["compacted"], &told["revision"]);
        let (from, to) = (from.as_i64().unwrap().max(2), to.as_i64().unwrap());
        let hashes =
            [hashes(&chain, keyspace, from, to).await, hashes(&single, keyspace, from, to).await];
        assert!(hashes[0].len() > 1 || keyspace == "later");
        assert_eq!(hashes[0], hashes[1], "{keyspace}");
    }
    // Then once more without what no revision shows, which each copy removes in its own time: byte by byte.
    let mut backups = Vec::new();
    for (server, name) in [(&chain, "of the chain"), (&single, "of the whole")] {
        let all = Client::connect([server.client.as_str()], Options::default()).await.unwrap();
        for keyspace in ["default", "plain"] {
            let all = all.in_keyspace(keyspace).unwrap();
            let next = all.put(Put::new("next", "1")).await.unwrap().revision;
            assert_eq!(next, of(&whole, keyspace)["revision"].as_i64().unwrap() + 1);
            all.compact(next, true).await.unwrap();
        }
        let file = others.path().join(name);
        tool(&server.client, &["admin", "backup", "--out", path(&file)]).well();
        backups.push(records(&file));
    }
    let [(chained, ours), (full_one, theirs)] = &backups[..] else { panic!("two") };
    assert!(ours.len() > 600, "{}", ours.len());
    let differ = |(key, value): &(&(KeyspaceId, Bytes), &Bytes)| theirs.get(*key) != Some(*value);
    assert_eq!(ours.iter().find(differ), None);
    assert_eq!(ours.len(), theirs.len());
    let auth = |contents: &Contents| contents.directory.clone().unwrap().auth;
    assert_eq!(auth(chained), auth(full_one));
    assert_eq!(auth(chained).users.len(), 2);
    let shares = |contents: &Contents| {
        let shares = contents.keyspaces.iter().flat_map(|it| it.shares.clone());
        shares.map(|share| (share.range, share.revision)).collect::<Vec<_>>()
    };
    assert_eq!(shares(chained), shares(full_one));
    let now = Client::connect([chain.client.as_str()], Options::default()).await.unwrap();
    assert_eq!(now.leases().await.unwrap(), [7, 10]);
    let listed = tool(&chain.client, &["service", "list", "web", "--output", "json"]).json();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["id"]),
        (1, &"web-2".into()),
        "{listed}"
    );

    // Into a keyspace that lives.
    now.create_keyspace("copy").await.unwrap();
    let from = [&full, &one, &two, &three_].map(|it| ["--from", path(it)]).concat();
    let into = [&["admin", "restore", "--into", "copy", "--of", "default"][..], &from].concat();
    run(chain.client.clone(), words(&into)).await.well();
    let values = |kvs: Vec<client::KeyValue>| {
        let shown = kvs.into_iter().map(|kv| (kv.key, kv.value, kv.lease));
        shown.filter(|(key, ..)| key != "next").collect::<Vec<_>>()
    };
    let copy = now.in_keyspace("copy").unwrap().get(Get::range(vec![0_u8], "")).await.unwrap();
    let own = now.get(Get::range(vec![0_u8], "")).await.unwrap();
    assert_eq!(values(copy.kvs), values(own.kvs));

    // What came since a backup of another cluster, which this one is: revisions mean other things here.
    let other = Taking { endpoints: chain.client.clone(), directory: directory.path() };
    let refused = other.ended("never", Some("three")).await.failed(2);
    assert!(refused.contains("three is of the cluster"), "{refused}");
    assert!(!other.file("never").exists() && !other.file("never.partial").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_does_not_fit_is_refused_and_nothing_is_made() {
    let single = crate::server::Single::start().await;
    let client = single.client().await;
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoints: single.server.client.clone(), directory: directory.path() };
    client.create_keyspace("one").await.unwrap();
    let one = client.in_keyspace("one").unwrap();
    for (name, since) in [
        ("full", None),
        ("first", Some("full")),
        ("second", Some("first")),
        ("third", Some("second")),
    ] {
        one.put(Put::new(name, "1")).await.unwrap();
        taking.taken(name, since).await;
    }
    let data = directory.path().join("data");
    let restore = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| taking.file(name)).collect();
        let from = files.iter().flat_map(|file| ["--from", path(file)]);
        let from: Vec<_> = ["restore", "--data-dir", path(&data)].into_iter().chain(from).collect();
        let told = tool("", &from).failed(1);
        assert!(!data.exists(), "nothing was made");
        told
    };
    let whole = std::fs::read(taking.file("first")).unwrap();
    std::fs::write(taking.file("cut off"), &whole[..whole.len() / 2]).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(taking.file("damaged"), &damaged).unwrap();
    for (names, wanted) in [
        (&["first", "second"][..], "first: it holds only what came since another backup"),
        (
            &["first", "full"],
            "full right before it. Backups are given in the order they were taken",
        ),
        (&["full", "second", "third"], "second does not go on from"),
        (&["full", "first", "first"], "first is given twice"),
        (&["full", "full"], "full is given twice"),
        (&["full", "second", "first"], "first right before it"),
        (&["full", "cut off"], "cut off: the backup is not whole"),
        (&["full", "damaged", "second"], "damaged: the backup is damaged"),
        (&["full", "nowhere"], "nowhere: No such file"),
    ] {
        let told = restore(names);
        assert!(told.contains("nothing was restored") && told.contains(wanted), "{told}");
    }
    let into = ["admin", "restore", "--into", "one", "--overwrite", "--from"];
    let second = taking.file("second");
    let told = tool(&taking.endpoints, &[&into[..], &[path(&second)]].concat()).failed(1);
    assert!(told.contains("it holds only what came since another backup"), "{told}");

    // A base that is not whole, or of something else.
    for (since, code, wanted) in [
        ("cut off", 1, "the backup is not whole"),
        ("damaged", 1, "the backup is damaged"),
        ("nowhere", 1, "cannot be opened"),
    ] {
        let told = taking.ended("never", Some(since)).await.failed(code);
        assert!(told.contains(wanted), "{told}");
    }
    let alone = |out: &str, since: Option<&str>, keyspace: Option<&str>| {
        let files = [out, since.unwrap_or_default()].map(|name| taking.file(name));
        let mut arguments = vec!["admin", "backup", "--out", path(&files[0])];
        arguments.extend(since.iter().flat_map(|_| ["--since", path(&files[1])]));
        arguments.extend(keyspace.iter().flat_map(|it| ["--keyspace", it]));
        tool(&taking.endpoints, &arguments)
    };
    alone("of one", None, Some("one")).well();
    for (since, keyspace, wanted) in [
        ("of one", None, "is of the keyspace \"one\" alone"),
        ("of one", Some("default"), "is of the keyspace \"one\" alone"),
        ("full", Some("one"), "is of the whole cluster"),
    ] {
        let told = alone("never", Some(since), keyspace).failed(2);
        assert!(told.contains(wanted), "{told}");
    }
    assert!(!taking.file("never").exists() && !taking.file("never.partial").exists());

    // One keyspace alone has its chain, too.
    one.put(Put::new("newest", "1")).await.unwrap();
    one.delete(Delete::key("full")).await.unwrap();
    alone("of one later", Some("of one"), Some("one")).well();
    client.create_keyspace("copy").await.unwrap();
    let files = ["of one", "of one later"].map(|name| taking.file(name));
    let from = [["--from", path(&files[0])], ["--from", path(&files[1])]].concat();
    let into = [&["admin", "restore", "--into", "copy"][..], &from].concat();
    tool(&taking.endpoints, &into).well();
    let copy = client.in_keyspace("copy").unwrap();
    let keys = copy.get(Get::range(vec![0_u8], "").keys_only()).await.unwrap().kvs;
    let keys: Vec<_> = keys.into_iter().map(|kv| kv.key).collect();
    assert_eq!(keys, ["first", "newest", "second", "third"]);
}
