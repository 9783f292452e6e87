//! Nodes that come and go, under writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use node::{Consistency, Handle, Node, NodeState, Part};
use tokio::task::JoinHandle;
use types::{Code, NodeId, RegionId};

use super::world::{Cluster, DEFAULT, own_state, put, until, value, within};

fn url(cluster: &Cluster, at: usize) -> Vec<String> {
    vec![format!("http://{}", cluster.configs[at].advertise_peer)]
}

/// Adds a node to the cluster, as node `at` tells it, and starts it.
async fn join(cluster: &mut Cluster, by: usize, part: Part) -> (usize, NodeId) {
    let at = cluster.newcomer();
    let added = cluster.handle(by).add_member(&url(cluster, at), part).await.unwrap();
    cluster.start_again(at).await;
    (at, added.0.id)
}

/// Until every region has this many voters and learners, for all who are asked, and the directory agrees.
async fn settle(handles: &[Handle], voters: usize, learners: usize) {
    for handle in handles {
        let settled = || async {
            let directory = handle.directory();
            directory.regions.values().all(|region| {
                region.learners.len() == learners
                    && region.peers.len() == voters + learners
                    && directory.nodes.len() == voters + learners
            })
        };
        until("replicas where they are to be", settled).await;
    }
}

/// Writes one key after the other through the nodes it is given, and remembers which were acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<String>>,
}

impl Writer {
    fn start(name: &'static str, handles: Vec<Handle>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0_usize.. {
                if own.load(Ordering::Relaxed) {
                    break;
                }
                let key = format!("{name}-{number}");
                let handle = &handles[number % handles.len()];
                if handle.propose(DEFAULT, put(&key, "x")).await.is_ok() {
                    acknowledged.push(key);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            acknowledged
        });
        Self { stop, task }
    }

    /// Everything that was acknowledged is there, on each of the nodes.
    async fn check(self, handles: &[Handle]) {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = within("the writer's end", self.task).await.unwrap();
        assert!(acknowledged.len() > 20, "only {} writes went through", acknowledged.len());
        for handle in handles {
            let answer = super::world::read(handle, super::world::all()).await.unwrap();
            let keys: std::collections::BTreeSet<_> =
                answer.body.kvs.iter().map(|kv| kv.key.clone()).collect();
            for key in &acknowledged {
                assert!(keys.contains(key.as_bytes()), "{key} was acknowledged and is gone");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_from_three_to_five_and_loses_its_leader_under_writes() {
    let mut cluster = Cluster::start(3, |config| config.log_keep_entries = 20).await;
    cluster.handle(0).create_keyspace("other").await.unwrap();
    let writer = Writer::start("grow", vec![cluster.handle(1), cluster.handle(2)]);
    join(&mut cluster, 0, Part::Voter).await;
    settle(&cluster.handles(), 4, 0).await;
    join(&mut cluster, 3, Part::Voter).await;
    settle(&cluster.handles(), 5, 0).await;
    // A keyspace that is made now lives everywhere from the beginning.
    let late = cluster.handle(4).create_keyspace("late").await.unwrap();
    let directory = cluster.handle(4).directory();
    assert_eq!(directory.regions[&late.region].peers.len(), 5);

    cluster.make_leader(0).await;
    cluster.handle(3).remove_member(NodeId(1)).await.unwrap();
    let failure = within("the removed node's end", cluster.handle(0).failed()).await;
    assert!(failure.reason.contains("was removed from the cluster"), "{}", failure.reason);
    // Not by its own log: its vote may be needed until the others know.
    assert!(failure.reason.contains("was removed from this cluster"), "{}", failure.reason);
    cluster.stop(0).await;
    settle(&cluster.handles(), 4, 0).await;
    let members = cluster.handle(1).members(Consistency::Linearizable).await.unwrap().body;
    assert_eq!(members.len(), 4);
    assert!(members.iter().all(|member| member.id != NodeId(1)));
    writer.check(&cluster.handles()).await;

    // It is not let in again, and says what to do.
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("was removed from its cluster"), "{error}");
    assert!(error.contains("empty data directory"), "{error}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_replaced_and_the_new_one_counts() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    for number in 0..30 {
        cluster.handle(0).propose(DEFAULT, put(&number.to_string(), "x")).await.unwrap();
    }
    cluster.stop(2).await;
    let handle = cluster.handle(0);
    // With one voter silent none is added, as with etcd; and none that is left can go.
    let refused = || async {
        let added = handle.add_member(&["http://127.0.0.1:1".to_owned()], Part::Voter).await;
        added.err().map(|fault| fault.code) == Some(Code::Unhealthy)
    };
    until("the loss to be seen", refused).await;
    let removed = handle.remove_member(NodeId(2)).await.unwrap_err();
    assert_eq!(removed.code, Code::Unhealthy);

    handle.remove_member(NodeId(3)).await.unwrap();
    settle(&[cluster.handle(0), cluster.handle(1)], 2, 0).await;
    let (at, id) = join(&mut cluster, 1, Part::Voter).await;
    assert_eq!(id, NodeId(4));
    settle(&[cluster.handle(0), cluster.handle(at)], 3, 0).await;
    // The new one is part of every majority now.
    cluster.stop(1).await;
    cluster.handle(at).propose(DEFAULT, put("after", "y")).await.unwrap();
    assert_eq!(value(&cluster.handle(0), "after").await.unwrap(), "y");
    assert_eq!(value(&cluster.handle(at), "29").await.unwrap(), "x");

    // Who was removed while it was away learns it when it comes back.
    let gone = within("an end", Node::start(cluster.configs[2].clone())).await;
    let reason = match gone {
        Ok(node) => {
            let failure = within("an end", node.handle().failed()).await;
            node.shutdown().await;
            failure.reason
        }
        Err(error) => error.to_string(),
    };
    assert!(reason.contains("removed from the cluster"), "{reason}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_stays_one_until_it_is_promoted() {
    let mut cluster = Cluster::start(1, |_| ()).await;
    cluster.handle(0).propose(DEFAULT, put("key", "x")).await.unwrap();
    let at = cluster.newcomer();
    let (member, _) =
        cluster.handle(0).add_member(&url(&cluster, at), Part::Learner).await.unwrap();
    assert!(member.is_learner && member.name.is_empty());
    let early = cluster.handle(0).promote_member(member.id).await.unwrap_err();
    assert_eq!(early.code, Code::LearnerNotReady);
    cluster.start_again(at).await;
    settle(&cluster.handles(), 1, 1).await;
    assert_eq!(value(&cluster.handle(at), "key").await.unwrap(), "x");
    assert!(cluster.handle(at).status(DEFAULT).await.unwrap().body.is_learner);
    tokio::time::sleep(Duration::from_millis(500)).await;
    settle(&cluster.handles(), 1, 1).await;

    // It is no loss: the only voter goes on alone.
    cluster.stop(at).await;
    cluster.handle(0).propose(DEFAULT, put("alone", "y")).await.unwrap();
    cluster.start_again(at).await;
    let leader = cluster.handle(0);
    let promoted = || async { leader.promote_member(member.id).await.is_ok() };
    until("a promotion", promoted).await;
    settle(&cluster.handles(), 2, 0).await;
    let again = leader.promote_member(member.id).await.unwrap_err();
    assert_eq!(again.code, Code::MemberNotLearner);
    assert!(!cluster.handle(at).status(DEFAULT).await.unwrap().body.is_learner);
    until("the same state", || async {
        own_state(&cluster.handle(at)).await == own_state(&leader).await
    })
    .await;
    drop(leader);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_may_stop_in_the_middle_of_joining() {
    let mut cluster = Cluster::start(3, |config| config.log_keep_entries = 20).await;
    for number in 0..300 {
        let key = format!("{number:03}");
        cluster.handle(number % 3).propose(DEFAULT, put(&key, vec![7; 2_000])).await.unwrap();
    }
    let at = cluster.newcomer();
    cluster.handle(0).add_member(&url(&cluster, at), Part::Voter).await.unwrap();
    for pause in [0_u64, 30, 120, 400] {
        let node = within("a start", Node::start(cluster.configs[at].clone())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        within("a stop", node.shutdown()).await;
        // It needs the addresses of members the first time only.
        cluster.configs[at].join.clear();
        if pause == 120 {
            for other in 0..3 {
                cluster.stop(other).await;
            }
            let starting: Vec<_> = cluster.configs[..3].iter().cloned().map(Node::start).collect();
            let started = within("starts", futures::future::join_all(starting)).await;
            for (other, node) in started.into_iter().enumerate() {
                cluster.put_back(other, node.unwrap());
            }
        }
    }
    cluster.start_again(at).await;
    settle(&cluster.handles(), 4, 0).await;
    let before = own_state(&cluster.handle(0)).await;
    assert_eq!(before.1.len(), 300);
    until("the same state", || async { own_state(&cluster.handle(at)).await == before }).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_moves_to_another_address() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    cluster.stop(2).await;
    let moved = super::world::free_port().to_string();
    cluster.configs[2].listen_peer.clone_from(&moved);
    cluster.configs[2].advertise_peer.clone_from(&moved);
    let handle = cluster.handle(0);
    let taken = vec![format!("http://{}", cluster.configs[1].advertise_peer)];
    assert_eq!(
        handle.update_member(NodeId(3), &taken).await.unwrap_err().code,
        Code::PeerUrlExists
    );
    let bad = handle.update_member(NodeId(3), &["https://127.0.0.1:1".to_owned()]).await;
    assert_eq!(bad.unwrap_err().code, Code::BadMemberUrls);
    let members = handle.update_member(NodeId(3), &url(&cluster, 2)).await.unwrap().body;
    assert_eq!(members[2].peer_urls, url(&cluster, 2));
    cluster.start_again(2).await;
    cluster.stop(1).await;
    cluster.handle(2).propose(DEFAULT, put("key", "x")).await.unwrap();
    let region = cluster.handle(0).directory().regions[&RegionId::DEFAULT].clone();
    assert_eq!(region.peers.len(), 3);
    cluster.stop_all().await;
}

/// As right after a restart of another one: who stays away is a reason to refuse, who is on its way is not.
#[tokio::test(flavor = "multi_thread")]
async fn who_adds_a_member_waits_for_one_that_is_not_heard_for_a_moment() {
    // Two election timeouts are what is waited for: time enough to start a node.
    let mut cluster = Cluster::start(3, |config| config.election_ticks = 100).await;
    let at = cluster.newcomer();
    let new = url(&cluster, at);
    let handle = cluster.handle(0);
    let are_known = || async { handle.nodes().len() == 3 };
    until("all to have said who they are", are_known).await;
    cluster.stop(2).await;
    let is_lost = || async { handle.nodes()[2].state == NodeState::Lost };
    until("it to be lost from sight", is_lost).await;
    let away = within("a refusal", handle.add_member(&new, Part::Voter)).await;
    assert_eq!(away.unwrap_err().code, Code::Unhealthy);

    let adding = tokio::spawn({
        let (handle, new) = (handle.clone(), new.clone());
        async move { handle.add_member(&new, Part::Voter).await }
    });
    cluster.start_again(2).await;
    let added = within("it to be added", adding).await.unwrap();
    assert_eq!(added.unwrap().0.id, NodeId(4));
    cluster.stop_all().await;
}
