//! Renewals of leases have their own way past everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use node::NodeState;
use state::command::Command;
use state::response::Response;
use tokio::task::JoinSet;
use types::{Code, KeyspaceId, LeaseId};

use super::world::{Cluster, DEFAULT, put, until, within};

async fn grant(cluster: &Cluster, at: usize, keyspace: KeyspaceId) -> LeaseId {
    let grant = Command::LeaseGrant { id: LeaseId(0), ttl_seconds: 60 };
    let granted = cluster.handle(at).propose(keyspace, grant).await.unwrap().body;
    let Response::LeaseGranted { id, .. } = granted else { panic!("{granted:?}") };
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flood_of_one_region_keeps_renewals_of_any_from_counting() {
    let cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let other = cluster.handle(leader).create_keyspace("other").await.unwrap().id;
    for handle in cluster.handles() {
        within("the keyspace everywhere", handle.ready(other)).await;
    }
    let leases = [grant(&cluster, 0, DEFAULT).await, grant(&cluster, 0, other).await];
    let mut flood = JoinSet::new();
    let enough = Arc::new(AtomicBool::new(false));
    for number in 0..6_000 {
        let (handle, enough) = (cluster.handle(number % 3), Arc::clone(&enough));
        // Whether one is refused depends on how quick the machine is; that all go on does not.
        flood.spawn(async move {
            let mut written = 0;
            while !enough.load(Ordering::Relaxed) {
                let put = put(&format!("{number}"), vec![0; 512]);
                match handle.propose(DEFAULT, put).await {
                    Ok(_) => written += 1,
                    Err(fault) if fault.code == Code::TooManyRequests => {}
                    Err(fault) => panic!("{fault}"),
                }
            }
            written
        });
    }
    let mut renewals = JoinSet::new();
    for round in 0..60 {
        for (lease, keyspace) in leases.into_iter().zip([DEFAULT, other]) {
            let handle = cluster.handle(round % 3);
            renewals.spawn(async move { handle.lease_keep_alive(keyspace, lease).await });
        }
    }
    for renewed in within("every renewal", renewals.join_all()).await {
        assert_eq!(renewed.unwrap().body, 60);
    }
    enough.store(true, Ordering::Relaxed);
    let written: u32 = flood.join_all().await.into_iter().sum();
    assert!(written > 6_000, "it was a flood: {written}");
    let alive =
        || async { cluster.handle(0).nodes().iter().all(|node| node.state == NodeState::Alive) };
    until("everybody alive", alive).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_renewed_together_are_answered_one_by_one() {
    let cluster = Cluster::start(3, |_| ()).await;
    let (one, other) = (grant(&cluster, 0, DEFAULT).await, grant(&cluster, 1, DEFAULT).await);
    let nobody = LeaseId(77);
    for handle in cluster.handles() {
        let renew = async |leases: &[LeaseId]| {
            within("renewals", handle.lease_keep_alives(DEFAULT, leases)).await.unwrap().body
        };
        assert_eq!(renew(&[one, other]).await, [60, 60]);
        assert_eq!(renew(&[nobody, one, nobody, other, one]).await, [0, 60, 0, 60, 60]);
        assert_eq!(renew(&[]).await, [0; 0]);
        let many = vec![other; node::Handle::RENEWALS_TOGETHER + 1];
        assert_eq!(renew(&many).await, [60; node::Handle::RENEWALS_TOGETHER]);
    }
    cluster.stop_all().await;
}
