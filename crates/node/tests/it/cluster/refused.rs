//! Nodes that do not belong here.

use node::{Node, NodeConfig};

use super::world::{Cluster, DEFAULT, put, until, value, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_data_is_refused_and_the_others_go_on() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let handle = cluster.handle(0);
    handle.propose(DEFAULT, put("key", "x")).await.unwrap();
    // Whoever was not linked when the cluster was formed makes itself known a little later.
    let known = || handle.directory().nodes.values().all(|node| node.identity != 0);
    until("everybody's identity", || async { known() }).await;
    drop(handle);
    cluster.stop(2).await;
    std::fs::remove_dir_all(&cluster.configs[2].data_dir).unwrap();
    let start = Node::start(cluster.configs[2].clone());
    let error = within("an answer", start).await.err().unwrap().to_string();
    assert!(error.contains("data") && error.contains("n3"), "{error}");
    for at in 0..2 {
        let handle = cluster.handle(at);
        handle.propose(DEFAULT, put("key", format!("by {at}"))).await.unwrap();
        assert_eq!(value(&handle, "key").await.unwrap(), format!("by {at}"));
    }
    // What was started for it is gone: the port is free, and so is the directory.
    let again = within("an answer", Node::start(cluster.configs[2].clone())).await;
    assert_eq!(again.err().unwrap().to_string(), error);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_joins_nothing() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    cluster.handle(0).propose(DEFAULT, put("key", "ours")).await.unwrap();
    cluster.stop(2).await;
    // A cluster of its own, which then comes to where the third node was.
    let stranger = Cluster::prepare(1, |config| config.name = "n3".to_owned());
    let own = NodeConfig {
        initial_cluster: vec![("n3".to_owned(), cluster.configs[2].listen_peer.clone())],
        listen_peer: cluster.configs[2].listen_peer.clone(),
        advertise_peer: cluster.configs[2].advertise_peer.clone(),
        ..stranger.configs[0].clone()
    };
    let node = within("a start", Node::start(own.clone())).await.unwrap();
    within("a leader", node.handle().ready(DEFAULT)).await;
    node.handle().propose(DEFAULT, put("key", "theirs")).await.unwrap();
    node.shutdown().await;
    let moved = NodeConfig { initial_cluster: cluster.configs[2].initial_cluster.clone(), ..own };
    let node = within("a start", Node::start(moved)).await.unwrap();
    within("a leader", node.handle().ready(DEFAULT)).await;
    for number in 0..20 {
        let handle = cluster.handle(number % 2);
        handle.propose(DEFAULT, put("key", format!("ours {number}"))).await.unwrap();
        assert_eq!(value(&node.handle(), "key").await.unwrap(), "theirs");
    }
    assert_ne!(node.handle().directory().cluster, cluster.handle(0).directory().cluster);
    node.shutdown().await;
    cluster.start_again(2).await;
    assert_eq!(value(&cluster.handle(2), "key").await.unwrap(), "ours 19");
    cluster.stop_all().await;
}
