use std::path::Path;
use std::sync::Arc;

use env::{OsRandom, RealDisk};
use types::{ClusterId, NodeId};

use super::{Application, DirectoryLock, Error, Identity, InitialCluster};

fn three() -> InitialCluster {
    let member = |name: &str, port: u16| (name.to_owned(), format!("127.0.0.1:{port}"));
    InitialCluster::new(vec![member("n2", 2), member("n3", 3), member("n1", 1)]).unwrap()
}

fn open(dir: &Path, name: &str) -> Result<Identity, Error> {
    Identity::load_or_create(Arc::new(RealDisk), dir, &three(), name, &OsRandom)
}

#[test]
fn first_start_draws_an_identity_and_later_ones_keep_it_and_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), "n2").unwrap();
    assert_eq!((first.node(), first.cluster()), (NodeId(2), None));
    first.set_cluster(ClusterId(77)).unwrap();
    assert!(matches!(first.set_cluster(ClusterId(78)), Err(Error::OtherCluster { .. })));

    // The flags of a later start do not matter.
    let alone = InitialCluster::new(vec![("n2".into(), "127.0.0.1:9".into())]).unwrap();
    let later =
        Identity::load_or_create(Arc::new(RealDisk), dir.path(), &alone, "n2", &OsRandom).unwrap();
    assert_eq!(later.identity(), first.identity());
    assert_eq!((later.node(), later.cluster()), (NodeId(2), Some(ClusterId(77))));
    assert_eq!(later.bootstrap(), three().hash());

    let other = tempfile::tempdir().unwrap();
    assert_ne!(open(other.path(), "n2").unwrap().identity(), first.identity());
}

#[test]
fn directories_that_cannot_be_ours_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let said = |wanted: &str| {
        let error = open(dir.path(), "n1").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    open(dir.path(), "n2").unwrap();
    said("belongs to node n2, not to n1");

    let file = dir.path().join("identity.json");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("\"node\": 2", "\"node\": 3")).unwrap();
    said("checksum");
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    said("restore it from a backup");
    std::fs::write(&file, good.replace("\"version\": 1", "\"version\": 9")).unwrap();
    said("has format 9, this version knows up to 1");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(dir.path().join("wal")).unwrap();
    said("has data but no identity.json");

    let empty = tempfile::tempdir().unwrap();
    let error = open(empty.path(), "n9").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("not in the initial cluster (n1, n2, n3)"), "{error}");
}

#[test]
fn a_crash_between_writing_and_renaming_leaves_the_old_identity() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), "n1").unwrap();
    std::fs::write(dir.path().join("identity.json.tmp"), "{\"vers").unwrap();
    let again = open(dir.path(), "n1").unwrap();
    assert_eq!(again.identity(), first.identity());
    again.set_cluster(ClusterId(1)).unwrap();
    assert_eq!(open(dir.path(), "n1").unwrap().cluster(), Some(ClusterId(1)));
}

#[test]
fn a_directory_takes_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let held = DirectoryLock::acquire(dir.path()).unwrap();
    let error = DirectoryLock::acquire(dir.path()).unwrap_err();
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    assert!(matches!(error, Error::Locked { .. }));
    drop(held);
    DirectoryLock::acquire(dir.path()).unwrap();
}

#[test]
fn an_initial_cluster_names_each_node_once() {
    let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    for bad in [
        vec![],
        vec![pair("a", "h:1"), pair("a", "h:2")],
        vec![pair("a", "h:1"), pair("b", "h:1")],
        vec![pair("", "h:1")],
    ] {
        assert!(InitialCluster::new(bad).is_err());
    }
    let moved = InitialCluster::new(vec![pair("n1", "127.0.0.1:1"), pair("n2", "127.0.0.1:9")]);
    assert_ne!(three().hash(), moved.unwrap().hash());
    assert_eq!(three().peers()[1], (NodeId(2), "127.0.0.1:2".to_owned()));
}

#[test]
fn a_directory_that_waits_to_form_a_cluster_joins_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let begin = || Application::begin(&RealDisk, dir.path(), "n2", &OsRandom);
    let mine = open(dir.path(), "n2").unwrap();
    let error = begin().map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::NotFormed { .. }), "{error}");
    mine.set_cluster(ClusterId(77)).unwrap();
    assert!(begin().unwrap().is_none(), "it is of a cluster already");
}
