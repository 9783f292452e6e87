//! Who is alive, what a region can do, and what its clients are told when it cannot.

use node::{NodeState, StateKind};
use tokio::time::{Duration, Instant};
use types::{Code, NodeId, RegionId};

use super::world::{Cluster, DEFAULT, PATIENCE, put, until, within};

const REGION: RegionId = RegionId(2);

fn states(handle: &node::Handle) -> Vec<NodeState> {
    handle.nodes().into_iter().map(|node| node.state).collect()
}

async fn kind(handle: &node::Handle, kind: StateKind) {
    let is = || async { handle.region_state(REGION).is_some_and(|state| state.kind == kind) };
    until(&format!("state {kind}"), is).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_knows_who_is_there_and_who_is_back_as_another_run() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let handle = cluster.handle(0);
    let all = [NodeState::Alive; 3];
    until("everybody alive", || async { states(&handle) == all }).await;
    let measured = || async { handle.nodes()[1..].iter().all(|node| node.round_trip.is_some()) };
    until("round trips", measured).await;
    // Its last beat may be older than its second region.
    until("both regions", || async { handle.nodes()[2].summary.regions == 2 }).await;
    let before = handle.nodes()[2].clone();
    assert!(before.hears_us && before.incarnation != 0);
    assert_eq!(before.summary.regions, 2);
    let led: u64 = handle.nodes().iter().map(|node| node.summary.led).sum();
    assert!(led <= 4, "each region is led once, or twice while it moves: {led}");

    let leader = cluster.handle(cluster.leader(&[0, 1, 2]).await);
    let all_caught_up = || async {
        let view = leader.cluster_view().await.unwrap();
        assert!(view.nodes.iter().zip(1..).all(|(node, at)| node.name == format!("n{at}")));
        let led = view.leads.iter().find(|led| led.region == REGION);
        led.is_some_and(|led| {
            led.replicas.len() == 3 && led.replicas.iter().all(|replica| replica.is_caught_up)
        })
    };
    until("everybody caught up", all_caught_up).await;
    // Node 3 may lead, and a handle holds what its node locked.
    drop(leader);

    cluster.stop(2).await;
    until("node 3 lost", || async { states(&handle)[2] == NodeState::Lost }).await;
    kind(&handle, StateKind::Active).await;
    cluster.start_again(2).await;
    until("node 3 back", || async { states(&handle) == all }).await;
    assert_ne!(handle.nodes()[2].incarnation, before.incarnation);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_writes_are_told_so_and_with_one_they_go_on() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    cluster.make_leader(0).await;
    let handle = cluster.handle(0);
    handle.propose(DEFAULT, put("before", "x")).await.unwrap();
    kind(&handle, StateKind::Active).await;
    cluster.stop(1).await;
    cluster.stop(2).await;
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.propose(DEFAULT, put("vain", "x")).await }
    });
    kind(&handle, StateKind::NoQuorum).await;
    let words = handle.region_state(REGION).unwrap().detail;
    assert!(words.starts_with("no quorum: 1 of 3 nodes is heard (silent: n2 for "), "{words}");
    let told = within("an answer", waiting).await.unwrap().unwrap_err();
    assert!(told.detail.contains("no quorum: 1 of 3"), "{told:?}");
    // The leader had it when it lost its quorum, or had stepped down already.
    assert!(matches!(told.code, Code::Timeout | Code::NoLeader), "{told:?}");
    assert_eq!(told.code == Code::Timeout, told.detail.ends_with("the outcome is unknown"));
    // It is known by now: nobody has to wait for it again.
    let told = within("an answer", handle.propose(DEFAULT, put("vain", "y"))).await.unwrap_err();
    assert_eq!(told.code, Code::NoLeader);

    cluster.start_again(1).await;
    kind(&handle, StateKind::Active).await;
    let start = Instant::now();
    while handle.propose(DEFAULT, put("after", "x")).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "writes go on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(handle.node(), NodeId(1));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_the_links_is_counted_by_lane() {
    let cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let handle = cluster.handle(leader);
    handle.propose(DEFAULT, put("key", "x".repeat(1_000))).await.unwrap();
    let counted = || async {
        handle.traffic().len() == 2
            && handle.traffic().iter().all(|(_, peer)| {
                peer.beats_received > 2
                    && peer.beats_sent > 2
                    && peer.heartbeats_sent + peer.heartbeats_received > 2
                    && peer.sent_urgent.bytes > 0
                    && peer.malformed == 0
            })
            && handle.traffic().iter().any(|(_, peer)| peer.sent_bulk.bytes > 1_000)
    };
    until("counts", counted).await;
    cluster.stop_all().await;
}
