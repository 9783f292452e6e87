//! Many groups on the same nodes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use types::Code;

use super::world::{Cluster, one, put, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn keyspaces_made_through_all_nodes_at_once_serve_on_all_nodes() {
    let mut cluster = Cluster::start(3, |config| config.pollers = 2).await;
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let handle = cluster.handle(number % 3);
        tasks.spawn(async move {
            let record = handle.create_keyspace(&format!("space-{number}")).await.unwrap();
            let text = format!("of {number}");
            handle.propose(record.id, put("key", text.clone())).await.unwrap();
            (record, text)
        });
    }
    let made = within("keyspaces", tasks.join_all()).await;
    let regions: BTreeSet<_> = made.iter().map(|(record, _)| record.region).collect();
    assert_eq!(regions.len(), 50, "each has a region of its own");
    let serves = async |cluster: &Cluster| {
        for handle in cluster.handles() {
            for (record, text) in &made {
                within("the keyspace", handle.ready(record.id)).await;
                assert_eq!(handle.keyspace(Some(&record.name)).unwrap(), record.id);
                let read = handle.range(record.id, one("key"), node::Consistency::Linearizable);
                assert_eq!(read.await.unwrap().body.kvs[0].value, *text);
            }
        }
    };
    serves(&cluster).await;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    cluster.start_all().await;
    serves(&cluster).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_keyspace_serves_at_once_and_not_after_an_election_timeout() {
    let cluster = Cluster::start(3, |config| config.tick = Duration::from_millis(400)).await;
    let meta = cluster.handle(0);
    let mut slow = 0;
    for number in 0..60 {
        let start = Instant::now();
        let record = meta.create_keyspace(&format!("space-{number}")).await.unwrap();
        meta.propose(record.id, put("key", "x")).await.unwrap();
        // An election timeout is four seconds here.
        slow += usize::from(start.elapsed() > Duration::from_secs(3));
    }
    assert_eq!(slow, 0, "so many of 60 waited for an election timeout");
    drop(meta);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_make_the_same_keyspace_one_does() {
    let cluster = Cluster::start(3, |_| ()).await;
    let mut tasks = JoinSet::new();
    for handle in cluster.handles() {
        for _ in 0..4 {
            let handle = handle.clone();
            tasks.spawn(async move { handle.create_keyspace("wanted").await });
        }
    }
    let answers = tasks.join_all().await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for fault in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(fault.code, Code::KeyspaceExists);
    }
    for handle in cluster.handles() {
        until("the keyspace", || async { handle.keyspace(Some("wanted")).is_ok() }).await;
        assert_eq!(handle.keyspace(Some("wanted")).unwrap(), won[0].id);
        assert_eq!(handle.keyspace(Some("other")).unwrap_err().code, Code::KeyspaceNotFound);
    }
    cluster.stop_all().await;
}
