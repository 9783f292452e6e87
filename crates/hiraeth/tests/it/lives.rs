//! A cluster that is restored twice from one backup has one number in both of its lives, and hands out the
//! same revisions in each for other writes: what came since a backup of the first is not taken in the second.

use std::path::Path;

use client::native::{BackupBase, BackupSince};
use client::{Client, Options, Put};
use node::backup::Contents;
use types::Code;

use crate::backup::path;
use crate::program::tool;
use crate::server::{Server, Single};

/// Makes a data directory of the backup, and serves it.
async fn live(server: &mut Server, from: &Path) -> Client {
    let members = format!("n1={}", server.peer);
    let to = ["--data-dir", path(&server.data), "--name", "n1", "--initial-cluster", &members];
    tool("", &[&["restore", "--from", path(from)][..], &to].concat()).well();
    server.start(&["serve", "--name", "n1", "--initial-cluster", &members]);
    server.serves().await;
    Client::connect([server.client.as_str()], Options::default()).await.unwrap()
}

async fn written(client: &Client, count: u32) -> i64 {
    for number in 0..count {
        client.put(Put::new("key", number.to_string())).await.unwrap();
    }
    client.get("key").await.unwrap().revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_restored_twice_from_one_backup_does_not_go_on_from_its_other_life() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let single = Single::start().await;
    written(&single.client().await, 3).await;
    tool(&single.server.client, &["admin", "backup", "--out", path(&file("origin"))]).well();
    drop(single);

    let mut server = Server::new(directory.path(), "n1");
    let endpoint = server.client.clone();
    let taken = |name: &str, since: Option<&str>, keyspace: Option<&str>| {
        let (out, base) = (file(name), since.map(file));
        let mut arguments = vec!["admin", "backup", "--out", path(&out)];
        arguments.extend(base.iter().flat_map(|base| ["--since", path(base)]));
        arguments.extend(keyspace.iter().flat_map(|it| ["--keyspace", it]));
        tool(&endpoint, &arguments)
    };
    let first = live(&mut server, &file("origin")).await;
    let cluster = first.any_node_status().await.unwrap().cluster;
    let then = written(&first, 5).await;
    taken("full", None, None).well();
    taken("alone", None, Some("default")).well();
    // A start is no other life.
    server.kill();
    server.start(&["serve", "--name", "n1", "--initial-cluster", &format!("n1={}", server.peer)]);
    server.serves().await;
    taken("since", Some("full"), None).well();
    taken("alone since", Some("alone"), Some("default")).well();

    server.kill();
    std::fs::remove_dir_all(&server.data).unwrap();
    let second = live(&mut server, &file("origin")).await;
    assert_eq!(second.any_node_status().await.unwrap().cluster, cluster, "nothing else tells");
    assert!(written(&second, 50).await > then);
    for (base, keyspace) in [
        ("full", None),
        ("since", None),
        ("alone", Some("default")),
        ("alone since", Some("default")),
    ] {
        let told = taken("never", Some(base), keyspace).failed(2);
        let wanted = "this cluster was restored (or all its nodes replaced) since";
        assert!(told.contains(wanted) && told.contains("take a full backup"), "{told}");
        assert!(!file("never").exists() && !file("never.partial").exists());
    }
    // The server does not go by what its client looked at.
    let base = std::fs::File::open(file("full")).unwrap();
    let base = Contents::read(base, &mut |_, _, _| Ok(())).unwrap();
    let bases = base.keyspaces.iter().map(|found| BackupBase {
        keyspace: found.id.get(),
        revision: found.revision,
        ..BackupBase::default()
    });
    let nodes = base.nodes.iter().cloned().collect();
    let since = BackupSince { cluster, bases: bases.collect(), nodes };
    let told = second.backup(&server.client, "", Vec::new(), Some(since)).await.map(drop);
    let told = told.unwrap_err();
    assert_eq!(told.code(), Some(Code::ClusterMismatch), "{told}");
    assert!(told.to_string().contains("this cluster was restored"), "{told}");
    // And it begins anew.
    taken("full again", None, None).well();
    taken("since again", Some("full again"), None).well();
}
