//! Leadership goes where it is told to.

use types::{Code, NodeId, RegionId};

use super::world::{Cluster, DEFAULT, put, until, value};

#[tokio::test(flavor = "multi_thread")]
async fn leadership_moves_to_the_node_named_and_nowhere_else() {
    let cluster = Cluster::start(3, |_| ()).await;
    let all = [0, 1, 2];
    cluster.handle(0).propose(DEFAULT, put("key", "before")).await.unwrap();
    for _ in 0..3 {
        let from = cluster.leader(&all).await;
        let to = (from + 1) % 3;
        let (leader, other) = (cluster.handle(from), cluster.handle(to));
        let target = NodeId(to as u64 + 1);

        let asked_elsewhere = other.move_leader(DEFAULT, target).await.unwrap_err();
        assert_eq!(asked_elsewhere.code, Code::NotLeader);
        let nobody = leader.move_leader(DEFAULT, NodeId(9)).await.unwrap_err();
        assert_eq!(nobody.code, Code::BadTransferee);

        leader.move_leader(DEFAULT, target).await.unwrap();
        assert_eq!(cluster.leader(&all).await, to);
        // To itself is no news.
        other.move_leader(DEFAULT, target).await.unwrap();
        let meta = other.clone();
        let leads_meta = || async {
            let stats = meta.stats(Some(RegionId::META)).await.unwrap();
            stats[0].group.as_ref().is_some_and(|group| group.leader_node == Some(target))
        };
        until("the meta region to follow", leads_meta).await;
    }
    assert_eq!(value(&cluster.handle(0), "key").await.unwrap(), "before");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_cannot_take_over() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let gone = (leader + 1) % 3;
    cluster.stop(gone).await;
    let moved = cluster.handle(leader).move_leader(DEFAULT, NodeId(gone as u64 + 1)).await;
    assert_eq!(moved.unwrap_err().code, Code::TransferTimedOut);
    // It was given up, and somebody leads who takes writes.
    cluster.handle(leader).propose(DEFAULT, put("key", "after")).await.unwrap();
    cluster.stop_all().await;
}
