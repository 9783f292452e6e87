//! Leases end when their time is up, and not before, whoever leads.

use std::time::{Duration, Instant};

use node::{Consistency, Handle};
use state::command::Command;
use state::response::Response;
use tokio::time::sleep;
use types::{Code, LeaseId};

use super::world::{Cluster, DEFAULT, one, put_leased, read, until, value, within};

/// What a new leader adds to every lease, and how late an expiry may be on a busy machine.
const GRACE: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(3);

async fn grant(handle: &Handle, ttl_seconds: i64) -> LeaseId {
    let command = Command::LeaseGrant { id: LeaseId(0), ttl_seconds };
    match handle.propose(DEFAULT, command).await.unwrap().body {
        Response::LeaseGranted { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

async fn is_there(handle: &Handle, key: &str) -> bool {
    !read(handle, one(key)).await.unwrap().body.kvs.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_in_time_and_is_renewed_through_every_node() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    let (ends, lives) = (grant(&handles[0], 2).await, grant(&handles[1], 2).await);
    let granted = Instant::now();
    handles[1].propose(DEFAULT, put_leased("ends", ends)).await.unwrap();
    handles[2].propose(DEFAULT, put_leased("lives", lives)).await.unwrap();
    for handle in &handles {
        let status = handle.lease_time_to_live(DEFAULT, lives, true).await.unwrap().body;
        assert_eq!((status.granted_seconds, status.keys.len()), (2, 1));
        assert!((0..=2).contains(&status.ttl_seconds), "{status:?}");
    }
    let mut rounds = handles.iter().cycle();
    let mut ended = None;
    while granted.elapsed() < Duration::from_secs(6) {
        let handle = rounds.next().unwrap();
        assert_eq!(handle.lease_keep_alive(DEFAULT, lives).await.unwrap().body, 2);
        if ended.is_none() && !is_there(handle, "ends").await {
            ended = Some(granted.elapsed());
        }
        sleep(Duration::from_millis(200)).await;
    }
    let ended = ended.expect("the lease ended");
    assert!(
        ended >= Duration::from_millis(1900) && ended < Duration::from_secs(2) + LATE,
        "{ended:?}"
    );
    for handle in &handles {
        assert!(is_there(handle, "lives").await);
        assert_eq!(handle.lease_keep_alive(DEFAULT, ends).await.unwrap().body, 0);
        let status = handle.lease_time_to_live(DEFAULT, ends, false).await.unwrap().body;
        assert_eq!((status.ttl_seconds, status.granted_seconds), (-1, 0));
        assert_eq!(
            handle.leases(DEFAULT, Consistency::Linearizable).await.unwrap().body,
            vec![lives]
        );
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lease_that_is_kept_alive_is_lost_or_called_unknown_while_leadership_moves() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    let lease = grant(&handles[0], 3).await;
    handles[0].propose(DEFAULT, put_leased("session", lease)).await.unwrap();
    let renewing: Vec<_> = handles
        .iter()
        .cloned()
        .map(|handle| {
            tokio::spawn(async move {
                let start = Instant::now();
                let mut told = 0;
                while start.elapsed() < Duration::from_secs(8) {
                    // A client may hear of trouble, but never that a lease it keeps is gone.
                    match handle.lease_keep_alive(DEFAULT, lease).await {
                        Ok(answer) => {
                            assert_eq!(answer.body, 3, "through {}", handle.node());
                            told += 1;
                        }
                        Err(fault) => assert_ne!(fault.code, Code::LeaseNotFound),
                    }
                    // A lease granted through a leader that goes right away is known to the next.
                    let fresh = grant(&handle, 60).await;
                    let left = handle.lease_keep_alive(DEFAULT, fresh).await;
                    assert!(left.is_err() || left.unwrap().body == 60, "it was just granted");
                    sleep(Duration::from_millis(20)).await;
                }
                told
            })
        })
        .collect();
    let start = Instant::now();
    let mut moves = 0;
    while start.elapsed() < Duration::from_secs(8) {
        let leader = cluster.leader(&[0, 1, 2]).await;
        cluster.node(leader).hand_over().await;
        moves += 1;
        sleep(Duration::from_millis(200)).await;
    }
    for renewing in renewing {
        assert!(renewing.await.unwrap() > 5);
    }
    assert!(moves > 5, "{moves} moves");
    assert!(is_there(&handles[0], "session").await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_gives_a_lease_its_time_again_and_then_ends_it() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let survivor = cluster.handle((leader + 1) % 3);
    let lease = grant(&survivor, 2).await;
    survivor.propose(DEFAULT, put_leased("key", lease)).await.unwrap();
    sleep(Duration::from_millis(1200)).await;
    cluster.stop(leader).await;
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    cluster.leader(&others).await;
    let elected = Instant::now();
    until("the end of the lease", || async { value(&survivor, "key").await.is_none() }).await;
    let after = elected.elapsed();
    // The new leader was elected a little before this test saw it.
    assert!(after >= Duration::from_millis(2500), "{after:?}: its time did not begin again");
    assert!(after < Duration::from_secs(2) + GRACE + LATE, "{after:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_leases_end_and_the_node_serves_meanwhile() {
    let cluster = Cluster::start(1, |_| ()).await;
    let handle = cluster.handle(0);
    let mut granting = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let handle = handle.clone();
        granting.spawn(async move {
            let lease = grant(&handle, 3).await;
            handle.propose(DEFAULT, put_leased(&format!("k{number}"), lease)).await.unwrap();
        });
    }
    within("grants", granting.join_all()).await;
    let mut slowest = Duration::ZERO;
    loop {
        let start = Instant::now();
        let left = handle.leases(DEFAULT, Consistency::Linearizable).await.unwrap().body.len();
        slowest = slowest.max(start.elapsed());
        if left == 0 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(slowest < Duration::from_secs(2), "a request waited {slowest:?}");
    assert_eq!(read(&handle, super::world::all()).await.unwrap().body.count, 0);
    drop(handle);
    cluster.stop_all().await;
}
