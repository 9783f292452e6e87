//! Idle regions go to sleep, and wake for whoever wants something.

use std::time::Duration;

use node::{Consistency, NodeConfig, NodeState, PeerTraffic};
use tokio::time::sleep;

use super::world::{Cluster, DEFAULT, TICK, one, put, until, value, within};

fn sleepy(config: &mut NodeConfig) {
    config.hibernate_after = Some(Duration::from_millis(200));
}

/// Heartbeats of regions that all nodes have sent so far, and beats of the nodes themselves.
fn sent(cluster: &Cluster) -> (u64, u64) {
    let handles = cluster.handles();
    let peers: Vec<PeerTraffic> =
        handles.iter().flat_map(|handle| handle.traffic()).map(|(_, peer)| peer).collect();
    let sum = |count: fn(&PeerTraffic) -> u64| peers.iter().map(count).sum();
    (sum(|peer| peer.heartbeats_sent), sum(|peer| peer.beats_sent))
}

/// Waits until a good number of beats went by without any heartbeat of a region.
async fn asleep(cluster: &Cluster) {
    let quiet = || async {
        let before = sent(cluster);
        sleep(TICK * 20).await;
        let after = sent(cluster);
        after.0 == before.0 && after.1 > before.1 + 6
    };
    until("sleep", quiet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_regions_cost_no_heartbeats_and_serve_at_once() {
    let cluster = Cluster::start(3, sleepy).await;
    let handles = cluster.handles();
    for round in 0..3 {
        handles[round].propose(DEFAULT, put("key", format!("{round}"))).await.unwrap();
        asleep(&cluster).await;
        assert!(handles.iter().all(|handle| handle.has_leader(DEFAULT)), "it still has its leader");
        // By whatever way somebody comes.
        assert_eq!(value(&handles[(round + 1) % 3], "key").await.unwrap(), format!("{round}"));
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_regions_are_handed_over_by_a_node_that_stops() {
    let cluster = Cluster::start(3, sleepy).await;
    cluster.make_leader(0).await;
    cluster.handle(1).propose(DEFAULT, put("key", "kept")).await.unwrap();
    asleep(&cluster).await;
    cluster.node(0).hand_over().await;
    // While it is there, nobody else has a reason to stand.
    let handle = cluster.handle(0);
    let elsewhere = || async {
        let leader = handle.status(DEFAULT).await.unwrap().body.leader;
        leader.is_some_and(|leader| leader.get() != 1)
    };
    until("another leader", elsewhere).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_region_whose_leader_dies_gets_another_one() {
    let mut cluster = Cluster::start(3, sleepy).await;
    cluster.make_leader(0).await;
    cluster.handle(1).propose(DEFAULT, put("key", "kept")).await.unwrap();
    asleep(&cluster).await;
    cluster.abandon(0);
    let handle = cluster.handle(1);
    until("node 1 lost", || async { handle.nodes()[0].state == NodeState::Lost }).await;
    // Nobody asks for anything: it is the silence of the leader's node that wakes them.
    let elsewhere = || async {
        let leader = handle.status(DEFAULT).await.unwrap().body.leader;
        leader.is_some_and(|leader| leader.get() != 1)
    };
    until("another leader", elsewhere).await;
    assert_eq!(value(&handle, "key").await.unwrap(), "kept");
    asleep(&cluster).await;
    cluster.start_again(0).await;
    let back = cluster.handle(0);
    within("a leader", back.ready(DEFAULT)).await;
    handle.propose(DEFAULT, put("key", "new")).await.unwrap();
    let caught_up = || async {
        let read = back.range(DEFAULT, one("key"), Consistency::Stale).await.unwrap();
        read.body.kvs.first().is_some_and(|kv| kv.value == "new")
    };
    until("the new value on the node that was gone", caught_up).await;
    cluster.stop_all().await;
}
