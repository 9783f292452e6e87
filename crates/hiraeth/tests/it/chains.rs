//! What a chain of backups may be made of: files of version 1, no more of them than are read as one, and no
//! more of an earlier one than a server is told; and how a whole chain is looked at.

use std::path::Path;

use bytes::Bytes;
use client::native::{BackupBase, BackupSince};
use client::{Client, Delete, Get, Options, Put};
use node::backup::{
    BackupWriter, Begin, FILES, Gathered, KeyspaceSection, Scope, Section, ShareSection, Since,
};
use types::{KeyRange, KeyspaceId};

use crate::backup::path;
use crate::damage::{HEADER, chunks, payload};
use crate::program::{Ended, tool};
use crate::server::{Server, Single};

/// What version 1 wrote first, of a cluster and of one keyspace.
const FIRST: [&str; 2] = [
    r#"{"section":"begin","version":1,"scope":"cluster","made_by":"hiraeth 0.1.0","at_ms":7}"#,
    r#"{"section":"begin","version":1,"scope":"keyspace","made_by":"hiraeth 0.1.0","at_ms":7}"#,
];
/// What it could say of a part: it refused anything else.
const KNOWN: [&str; 10] = [
    "section",
    "cluster",
    "keyspace",
    "name",
    "region",
    "machine",
    "revision",
    "compacted",
    "start",
    "end",
];

/// The full backup as version 1 would have written it.
fn of_version_1(file: &[u8], scope: Scope) -> Vec<u8> {
    let begin = Begin { version: 1, ..Begin::new(scope, 7, "hiraeth 0.1.0") };
    let first = Section::Begin(begin.clone()).encode().unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), FIRST[usize::from(scope == Scope::Keyspace)]);
    let mut writer = BackupWriter::begin(Vec::new(), begin).unwrap();
    let chunks = chunks(file);
    let headers = chunks.iter().enumerate().filter(|(_, (_, kind))| *kind == HEADER);
    let headers: Vec<_> = headers.map(|(at, _)| at).collect();
    let (from, to) = (headers[1], headers[headers.len() - 1]);
    for (part, kind) in &chunks[from..to] {
        if *kind == HEADER {
            let header: serde_json::Value = serde_json::from_slice(payload(file, part)).unwrap();
            let known = |name: &String| KNOWN.contains(&name.as_str());
            assert!(header.as_object().unwrap().keys().all(known), "{header}");
        }
        let chunk = Bytes::copy_from_slice(&file[part.clone()]);
        writer.chunk(&chunk, &mut Gathered::default()).unwrap();
    }
    writer.end().unwrap().0
}

struct Taking<'a> {
    endpoint: &'a str,
    directory: &'a Path,
}

impl Taking<'_> {
    fn ended(&self, name: &str, more: &[&str]) -> Ended {
        let out = self.directory.join(name);
        tool(self.endpoint, &[&["admin", "backup", "--out", path(&out)][..], more].concat())
    }

    fn file(&self, name: &str) -> String {
        path(&self.directory.join(name)).to_owned()
    }

    fn verified(&self, names: &[&str]) -> Ended {
        let files: Vec<_> = names.iter().map(|name| self.file(name)).collect();
        let files = files.iter().map(String::as_str);
        let arguments = ["admin", "backup", "verify", "--output", "json"];
        tool("", &arguments.into_iter().chain(files).collect::<Vec<_>>())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_version_1_is_restored_and_gone_on_from() {
    let single = Single::start().await;
    let client = single.client().await;
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoint: &single.server.client, directory: directory.path() };
    client.create_sharded_keyspace("wide", vec!["m".into()], None).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    for key in ["a", "b", "z"] {
        client.put(Put::new(key, "1")).await.unwrap();
        wide.put(Put::new(key, "1")).await.unwrap();
    }
    for (name, scope, more) in [
        ("old", Scope::Cluster, &[][..]),
        ("old alone", Scope::Keyspace, &["--keyspace", "default"]),
    ] {
        taking.ended("new", more).well();
        let new = std::fs::read(taking.file("new")).unwrap();
        std::fs::remove_file(taking.file("new")).unwrap();
        std::fs::write(taking.file(name), of_version_1(&new, scope)).unwrap();
        taking.verified(&[name]).well();
    }
    for own in [&client, &wide] {
        own.put(Put::new("b", "2")).await.unwrap();
        own.delete(Delete::key("z")).await.unwrap();
    }
    let old = taking.file("old");
    taking.ended("since", &["--since", &old]).well();
    // One keyspace did not say of which cluster it is.
    let alone = ["--keyspace", "default", "--since", &taking.file("old alone")];
    let told = taking.ended("never", &alone).failed(2);
    assert!(told.contains("does not say of which cluster"), "{told}");
    client.create_keyspace("copy").await.unwrap();
    let into = ["admin", "restore", "--into", "copy", "--from", &taking.file("old alone")];
    tool(&single.server.client, &into).well();

    let values = |client: Client| async move {
        let kvs = client.get(Get::range(vec![0_u8], "")).await.unwrap().kvs;
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        kvs.into_iter().map(|kv| (text(kv.key), text(kv.value))).collect::<Vec<_>>()
    };
    let owned = |kvs: &[(&str, &str)]| {
        kvs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<Vec<_>>()
    };
    let before = [("a", "1"), ("b", "1"), ("z", "1")];
    assert_eq!(values(client.in_keyspace("copy").unwrap()).await, owned(&before));
    let since = taking.file("since");
    for (name, from, wanted) in [
        ("of the old", &["--from", &old][..], &before[..]),
        ("of both", &["--from", &old, "--from", &since], &[("a", "1"), ("b", "2")]),
    ] {
        let folder = directory.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut server = Server::new(&folder, "n1");
        let members = format!("n1={}", server.peer);
        let to = ["--data-dir", path(&server.data), "--name", "n1", "--initial-cluster", &members];
        tool("", &[&["restore"][..], from, &to].concat()).well();
        server.start(&["serve", "--name", "n1", "--initial-cluster", &members]);
        server.serves().await;
        let made = Client::connect([server.client.as_str()], Options::default()).await.unwrap();
        for keyspace in ["default", "wide"] {
            let own = made.in_keyspace(keyspace).unwrap();
            assert_eq!(values(own).await, owned(wanted), "{keyspace} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_looked_at_as_one() {
    let single = Single::start().await;
    let client = single.client().await;
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoint: &single.server.client, directory: directory.path() };
    for (name, base) in [("full", None), ("first", Some("full")), ("second", Some("first"))] {
        client.put(Put::new(name, "1")).await.unwrap();
        let base = base.map(|base| taking.file(base));
        let more: Vec<_> = base.iter().flat_map(|base| ["--since", base]).collect();
        taking.ended(name, &more).well();
    }
    let found = taking.verified(&["full", "first", "second"]).json();
    let alone = taking.verified(&["second"]).json();
    assert_eq!(found["hash"], alone["hash"], "what the last one was taken of");
    let versions = |found: &serde_json::Value| found["keyspaces"][0]["versions"].clone();
    assert_eq!((versions(&found), versions(&alone)), (3.into(), 1.into()));
    assert!(found["since"].is_null() && alone["since"].is_string(), "{found}");
    for (names, wanted) in [
        (&["full", "second"][..], "second does not go on from"),
        (&["first", "full"], "full right before it"),
        (&["full", "full"], "full is given twice"),
        (&["first", "second"], "first: it holds only what came since another backup"),
    ] {
        let told = taking.verified(names).failed(1);
        assert!(told.contains(wanted), "{told}");
    }
    tool("", &["admin", "backup", "verify"]).failed(2);
}

/// A backup of one keyspace without anything in it, that says that so many must come before it.
fn behind(files: u64) -> Vec<u8> {
    let since = (files > 0).then(|| Since { hash: "h".to_owned(), at_ms: 1, files });
    let begin = Begin { since, ..Begin::new(Scope::Keyspace, 7, "a test") };
    let section = Section::Keyspace(KeyspaceSection {
        keyspace: 1,
        name: "default".to_owned(),
        region: 2,
        machine: None,
        revision: 1,
        compacted: 0,
        since: None,
    });
    without_records(begin, &[section])
}

fn without_records(begin: Begin, sections: &[Section]) -> Vec<u8> {
    let mut writer = BackupWriter::begin(Vec::new(), begin).unwrap();
    sections.iter().for_each(|section| writer.section(section, |_| Ok(())).unwrap());
    writer.end().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_taken_that_is_one_too_many_to_be_restored() {
    let single = Single::start().await;
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoint: &single.server.client, directory: directory.path() };
    let told = |before: u64| {
        std::fs::write(taking.file("base"), behind(before)).unwrap();
        taking.ended("never", &["--since", &taking.file("base"), "--keyspace", "default"])
    };
    let most = FILES as u64;
    // What it is of is asked behind that: one more may still come.
    let next = told(most - 2).failed(2);
    assert!(next.contains("does not say of which cluster"), "{next}");
    for before in [most - 1, most, u64::MAX] {
        let told = told(before).failed(1);
        assert!(told.contains("128 that are read as one: take a full backup"), "{told}");
    }
    assert!(!directory.path().join("never").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_told_of_many_parts_that_begin_at_long_keys() {
    let single = Single::start().await;
    let client = single.client().await;
    let status = client.any_node_status().await.unwrap();
    let told = |parts: u32| {
        let base = |at: u32| BackupBase {
            keyspace: 77,
            start: [&at.to_be_bytes()[..], &[b'k'; 65_000]].concat().into(),
            revision: 1,
        };
        let (cluster, nodes) = (status.cluster.clone(), status.marks.clone());
        let since = BackupSince { cluster, nodes, bases: (0..parts).map(base).collect() };
        client.backup(&single.server.client, "default", Vec::new(), Some(since))
    };
    let mut chunks = told(125).await.unwrap();
    assert!(chunks.next().await.unwrap().is_some(), "8 MB");
    let more = told(300).await.map(drop).unwrap_err().to_string();
    assert!(more.contains("the limit is: 16777216 bytes"), "{more}");

    // The tool does not get there: it counts first.
    let directory = tempfile::tempdir().unwrap();
    let taking = Taking { endpoint: &single.server.client, directory: directory.path() };
    let since = |parts: u8| {
        let begins = (1..parts).map(|at| Bytes::from([&[at][..], &[b'k'; 65_000]].concat()));
        let starts = [Bytes::new()].into_iter().chain(begins.clone());
        let ends = begins.map(Some).chain([None]);
        let shares = starts.zip(ends).map(|(start, end)| {
            let range = KeyRange { start, end };
            Section::Share(ShareSection::new(KeyspaceId(77), "wide", &range, 1))
        });
        let begin = Begin::new(Scope::Keyspace, 7, "a test");
        let file = without_records(begin, &shares.collect::<Vec<_>>());
        std::fs::write(taking.file("base"), file).unwrap();
        taking.ended("never", &["--since", &taking.file("base"), "--keyspace", "wide"])
    };
    // What it is of is asked behind that.
    let told = since(125).failed(2);
    assert!(told.contains("does not say of which cluster"), "{told}");
    let told = since(140).failed(1);
    assert!(told.contains("at most 8388608: take a full backup"), "{told}");
}
