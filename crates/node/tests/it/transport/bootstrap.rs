use std::sync::Arc;
use std::time::Duration;

use node::identity::InitialCluster;
use node::transport::{Carrier, Error, Start, Transport, wait_for_quorum};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use types::{ClusterId, NodeId};

use super::world::{Node, PATIENCE, Proxy, World};

type Waiting = JoinHandle<Result<Start, Error>>;

fn wait(node: &Node, initial: &InitialCluster) -> Waiting {
    let (transport, initial): (Arc<Transport>, _) = (node.transport.clone(), initial.clone());
    tokio::spawn(async move { wait_for_quorum(&transport, &initial, None).await })
}

async fn done(waiting: Waiting) -> Result<Start, Error> {
    timeout(PATIENCE, waiting).await.expect("a decision in time").expect("no panic")
}

async fn still_waits(waiting: &mut Waiting) {
    assert!(timeout(Duration::from_millis(400), waiting).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_forms_the_cluster_and_the_third_joins_it() {
    let world = World::new(3);
    let one = world.start(1, None).await;
    let mut first = wait(&one, &world.initial);
    still_waits(&mut first).await;
    let two = world.start(2, None).await;
    let second = wait(&two, &world.initial);
    assert_eq!(done(first).await.unwrap(), Start::Form);
    assert_eq!(done(second).await.unwrap(), Start::Form);

    // What the two then agree on decides for the third, whoever it hears first.
    one.identity.set_cluster(ClusterId(9)).unwrap();
    let three = world.start(3, None).await;
    assert_eq!(done(wait(&three, &world.initial)).await.unwrap(), Start::Join(ClusterId(9)));
    assert_eq!(three.identity.cluster(), Some(ClusterId(9)));

    // Restarted, it asks nobody.
    for node in [&one, &two, &three] {
        node.transport.clone().shutdown().await;
    }
    let three = world.start(3, None).await;
    assert_eq!(done(wait(&three, &world.initial)).await.unwrap(), Start::Restart(ClusterId(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_starts_at_once() {
    let world = World::new(1);
    let one = world.start(1, None).await;
    assert_eq!(done(wait(&one, &world.initial)).await.unwrap(), Start::Form);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_with_a_cluster_outweighs_a_quorum_without() {
    let world = World::new(3);
    let _three = world.start(3, Some(9)).await;
    let (one, two) = (world.start(1, None).await, world.start(2, None).await);
    for node in [one, two] {
        assert_eq!(done(wait(&node, &world.initial)).await.unwrap(), Start::Join(ClusterId(9)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_a_round_is_heard_before_a_cluster_is_formed() {
    let world = World::new(3);
    let proxy = Proxy::start(world.address(3), 1).await;
    let mut members = world.initial.members().to_vec();
    members[2].1 = proxy.address;
    let initial = InitialCluster::new(members).unwrap();
    let _three = world.start_with(3, Some(9), &initial, Vec::new()).await;
    let _two = world.start_with(2, None, &initial, Vec::new()).await;
    let one = world.start_with(1, None, &initial, Vec::new()).await;
    assert_eq!(done(wait(&one, &initial)).await.unwrap(), Start::Join(ClusterId(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_data_is_told_what_to_do() {
    let world = World::new(3);
    let (one, two) = (world.start(1, Some(9)).await, world.start(2, Some(9)).await);
    let three = world.start(3, None).await;
    for node in [&one, &two] {
        node.directory.0.lock().insert(NodeId(3), three.identity.identity());
    }
    assert_eq!(done(wait(&three, &world.initial)).await.unwrap(), Start::Join(ClusterId(9)));
    three.transport.clone().shutdown().await;

    world.lose_data(3);
    let three = world.start(3, None).await;
    let error = done(wait(&three, &world.initial)).await.unwrap_err();
    assert!(matches!(error, Error::DataGone { .. }), "{error}");
    let words = "was a member and its data is gone: remove it from the cluster and add it again";
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(three.identity.cluster(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_with_other_lists_or_names_do_not_count() {
    let world = World::new(2);
    let one = world.start(1, None).await;
    let mut first = wait(&one, &world.initial);
    let other = InitialCluster::new(vec![
        ("n1".into(), "127.0.0.1:9".into()),
        ("n2".into(), world.address(2)),
    ]);
    let two = world.start_with(2, None, &other.unwrap(), world.initial.peers()).await;
    one.trouble(2, "were started with different initial clusters").await;
    still_waits(&mut first).await;

    // Corrected and started anew, it counts.
    two.transport.clone().shutdown().await;
    world.lose_data(2);
    let two = world.start(2, None).await;
    assert_eq!(done(wait(&two, &world.initial)).await.unwrap(), Start::Form);
    assert_eq!(done(first).await.unwrap(), Start::Form);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_the_wait() {
    let world = World::new(2);
    let one = world.start(1, None).await;
    let mut waiting = wait(&one, &world.initial);
    still_waits(&mut waiting).await;
    one.transport.clone().shutdown().await;
    assert!(matches!(done(waiting).await, Err(Error::ShuttingDown)));
}
