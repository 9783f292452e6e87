//! What a start makes of what a stop, a crash or a power cut left.

use std::fs;
use std::path::Path;

use node::{Consistency, Node, NodeConfig};
use types::LeaseId;

use super::world::{Cluster, DEFAULT, own_state, put, until, value, within};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_all_nodes_stopped() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    for number in 0..50 {
        let handle = cluster.handle(number % 3);
        handle.propose(DEFAULT, put(&number.to_string(), "x")).await.unwrap();
    }
    assert!(value(&cluster.handle(0), "49").await.is_some());
    let before = own_state(&cluster.handle(0)).await;
    for round in 0..3 {
        for at in 0..3 {
            if round == 1 {
                cluster.abandon(at);
            } else {
                cluster.stop(at).await;
            }
        }
        if round == 1 {
            // Their files are let go of in the background.
            let node = &cluster.configs[0];
            let lock = node.data_dir.join("LOCK");
            assert!(lock.exists());
            for at in 0..3 {
                let config = cluster.configs[at].clone();
                until("free files", || async { is_free(&config) }).await;
            }
        }
        cluster.start_all().await;
        for handle in cluster.handles() {
            until("the old state", || async { own_state(&handle).await == before }).await;
        }
    }
    cluster.stop_all().await;
}

fn is_free(config: &NodeConfig) -> bool {
    node::identity::DirectoryLock::acquire(&config.data_dir).is_ok()
        && std::net::TcpListener::bind(&config.listen_peer).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_power_cut_takes_from_the_engine_the_log_tells_again() {
    let mut cluster = Cluster::start(1, |_| ()).await;
    let state = cluster.configs[0].data_dir.join("state");
    let kept = tempfile::tempdir().unwrap();
    let other = cluster.handle(0).create_keyspace("other").await.unwrap();
    for number in 0..30 {
        let handle = cluster.handle(0);
        handle.propose(DEFAULT, put(&number.to_string(), "default")).await.unwrap();
        handle.propose(other.id, put(&number.to_string(), "other")).await.unwrap();
        if number == 10 {
            drop(handle);
            cluster.stop(0).await;
            copy(&state, kept.path());
            cluster.start_again(0).await;
        }
    }
    let handle = cluster.handle(0);
    let late = handle.create_keyspace("late").await.unwrap();
    handle.propose(late.id, put("key", "late")).await.unwrap();
    let grant = state::command::Command::LeaseGrant { id: LeaseId(5), ttl_seconds: 100 };
    handle.propose(late.id, grant).await.unwrap();
    let before = own_state(&handle).await;
    drop(handle);
    // The engine as it was long ago, and as if nothing of it had reached the disk.
    for older in [Some(kept.path()), None] {
        cluster.stop(0).await;
        fs::remove_dir_all(&state).unwrap();
        if let Some(older) = older {
            copy(older, &state);
        }
        cluster.start_again(0).await;
        let handle = cluster.handle(0);
        until("the old state", || async { own_state(&handle).await == before }).await;
        for (keyspace, key, text) in [(other.id, "29", "other"), (late.id, "key", "late")] {
            within("the keyspace", handle.ready(keyspace)).await;
            let one = super::world::one(key);
            let answer = handle.range(keyspace, one, node::Consistency::Linearizable).await;
            assert_eq!(answer.unwrap().body.kvs[0].value, text);
        }
        assert_eq!(
            handle.leases(late.id, Consistency::Linearizable).await.unwrap().body,
            vec![LeaseId(5)]
        );
        assert_eq!(
            handle.create_keyspace("late").await.unwrap_err().code,
            types::Code::KeyspaceExists
        );
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_whose_parts_do_not_fit_is_refused_and_says_what_to_do() {
    let mut cluster = Cluster::start(1, |config| config.log_keep_entries = 5).await;
    let data = cluster.configs[0].data_dir.clone();
    let early = tempfile::tempdir().unwrap();
    cluster.stop(0).await;
    copy(&data.join("state"), early.path());
    cluster.start_again(0).await;
    for number in 0..60 {
        cluster.handle(0).propose(DEFAULT, put(&number.to_string(), "x")).await.unwrap();
    }
    // The janitor cuts the log behind what the engine has safe.
    let handle = cluster.handle(0);
    let first = || async { handle.status(DEFAULT).await.unwrap().body.first_index };
    until("a cut log", || async { first().await > 20 }).await;
    drop(handle);
    cluster.stop(0).await;
    let (log, state) = (data.join("log"), data.join("state"));
    let (whole_log, whole_state) = (data.join("log.whole"), data.join("state.whole"));

    fs::rename(&state, &whole_state).unwrap();
    copy(early.path(), &state);
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("restore the directory from a backup"), "{error}");
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&whole_state, &state).unwrap();

    fs::rename(&log, &whole_log).unwrap();
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("`log` was removed or exchanged"), "{error}");
    // Also without the state, whose absence alone is no harm.
    fs::rename(&state, &whole_state).unwrap();
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("`log` was removed or exchanged"), "{error}");
    fs::rename(&whole_state, &state).unwrap();
    // A log that is empty is not the one there was.
    fs::create_dir(&log).unwrap();
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("`log` was removed or exchanged"), "{error}");
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&whole_log, &log).unwrap();

    // Nothing of that did harm.
    cluster.start_again(0).await;
    assert!(value(&cluster.handle(0), "59").await.is_some());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_is_refused_and_nobody_is_hurt() {
    let cluster = Cluster::start(1, |_| ()).await;
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("in use"), "{error}");
    cluster.handle(0).propose(DEFAULT, put("key", "x")).await.unwrap();
    cluster.stop_all().await;
}
