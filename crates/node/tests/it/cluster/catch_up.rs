//! Nodes that were away, and come back.

use std::time::Duration;

use node::{Consistency, EngineKind, NodeConfig};
use tokio::time::sleep;

use super::world::{Cluster, DEFAULT, own_state, put, read, until};

fn short_logs(config: &mut NodeConfig) {
    config.log_keep_entries = 20;
}

async fn write(cluster: &Cluster, at: usize, from: usize, to: usize) {
    let handle = cluster.handle(at);
    for number in from..to {
        handle.propose(DEFAULT, put(&format!("{number:05}"), vec![b'v'; 300])).await.unwrap();
    }
}

async fn become_equal(cluster: &Cluster) {
    let handles = cluster.handles();
    until("equal states", || async {
        let first = own_state(&handles[0]).await;
        for handle in &handles[1..] {
            if own_state(handle).await != first {
                return false;
            }
        }
        true
    })
    .await;
}

async fn indexes(cluster: &Cluster, at: usize) -> (u64, u64) {
    let status = cluster.handle(at).status(DEFAULT).await.unwrap().body;
    (status.first_index, status.last_index)
}

/// Waits until no running node's log reaches back to what one that stopped had.
async fn wait_for_cut(cluster: &Cluster, running: &[usize], last: u64) {
    for at in running {
        until("a cut log", || async { indexes(cluster, *at).await.0 > last + 1 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_catches_up_by_the_log() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    cluster.stop(2).await;
    write(&cluster, 0, 0, 300).await;
    cluster.start_again(2).await;
    become_equal(&cluster).await;
    let snapshots = cluster.configs[2].data_dir.join("snapshots");
    assert_eq!(std::fs::read_dir(snapshots).unwrap().count(), 0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_for_too_long_gets_a_snapshot_and_goes_on_by_the_log() {
    let mut cluster = Cluster::start(3, short_logs).await;
    let lease = state::command::Command::LeaseGrant { id: types::LeaseId(77), ttl_seconds: 600 };
    cluster.handle(0).propose(DEFAULT, lease).await.unwrap();
    for away in [2, 1] {
        let (_, last) = indexes(&cluster, away).await;
        cluster.stop(away).await;
        let others = if away == 2 { [0, 1] } else { [0, 2] };
        write(&cluster, others[1], 0, 400).await;
        wait_for_cut(&cluster, &others, last).await;
        cluster.start_again(away).await;
        become_equal(&cluster).await;
        write(&cluster, away, 400, 450).await;
        become_equal(&cluster).await;
        let leases = cluster.handle(away).leases(DEFAULT, Consistency::Linearizable).await.unwrap();
        assert_eq!(leases.body, vec![types::LeaseId(77)]);
        // What was installed is not needed any more.
        let snapshots = cluster.configs[away].data_dir.join("snapshots");
        assert_eq!(std::fs::read_dir(snapshots).unwrap().count(), 0);
        // And it is all there at the next start.
        cluster.stop(away).await;
        cluster.start_again(away).await;
        become_equal(&cluster).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_at_any_moment_of_a_snapshot_comes_back() {
    let mut cluster = Cluster::start(3, short_logs).await;
    for round in 0..6_usize {
        let (_, last) = indexes(&cluster, 2).await;
        cluster.stop(2).await;
        write(&cluster, 0, round * 50, round * 50 + 400).await;
        wait_for_cut(&cluster, &[0, 1], last).await;
        // Somewhere between the first chunk and the last record.
        let node = node::Node::start(cluster.configs[2].clone()).await.unwrap();
        sleep(Duration::from_millis(23 * round as u64)).await;
        node.shutdown().await;
        cluster.start_again(2).await;
        become_equal(&cluster).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_reach_a_follower_that_is_behind() {
    let mut cluster = Cluster::start(3, |config| {
        config.log_segment_bytes = 8 << 20;
        config.engine_memory_bytes = 64 << 20;
    })
    .await;
    cluster.stop(2).await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..40 {
        // Through a follower or the leader alike: a frame with all of them would be far too long.
        let handle = cluster.handle(number % 2);
        writing.spawn(async move {
            let value = vec![u8::try_from(number).unwrap(); 1_400_000];
            handle.propose(DEFAULT, put(&format!("large-{number:02}"), value)).await
        });
    }
    for wrote in writing.join_all().await {
        wrote.unwrap();
    }
    cluster.start_again(2).await;
    become_equal(&cluster).await;
    let answer = read(&cluster.handle(2), super::world::all()).await.unwrap();
    assert_eq!(answer.body.count, 40);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_memory_is_rebuilt_from_its_log_and_from_its_last_snapshot() {
    let mut cluster = Cluster::start(3, |config| {
        short_logs(config);
        if config.name == "n3" {
            config.engine = EngineKind::Memory;
        }
    })
    .await;
    // The others cut their logs meanwhile; its own stays whole.
    write(&cluster, 0, 0, 200).await;
    become_equal(&cluster).await;
    wait_for_cut(&cluster, &[0, 1], 50).await;
    assert_eq!(indexes(&cluster, 2).await.0, 2, "its log is all it has");
    cluster.stop(2).await;
    cluster.start_again(2).await;
    become_equal(&cluster).await;
    // Now it gets a snapshot, and starts from that.
    let (_, last) = indexes(&cluster, 2).await;
    cluster.stop(2).await;
    write(&cluster, 0, 200, 400).await;
    wait_for_cut(&cluster, &[0, 1], last).await;
    for _ in 0..2 {
        cluster.start_again(2).await;
        become_equal(&cluster).await;
        write(&cluster, 2, 400, 410).await;
        cluster.stop(2).await;
    }
    cluster.start_again(2).await;
    become_equal(&cluster).await;
    cluster.stop_all().await;
}
