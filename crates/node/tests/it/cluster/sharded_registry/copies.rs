//! What shards know of nodes, which are their home's.

use std::time::Duration;

use node::Topic;
use state::registry::query::InstanceFilter;
use state::registry::{
    CheckKey, DEFAULT_NAMESPACE, Mirror, Registries, RegistryCommand, Status, Target,
};
use types::Revision;

use super::{ask, change, check, instance, known, members, node, register, service, without_grace};
use crate::cluster::world::{Cluster, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_a_node_is_seen_in_every_shard_at_once() {
    let cluster = Cluster::start(3, without_grace).await;
    let keyspace = known(&cluster).await;
    let names: Vec<String> = (0..12).map(|at| format!("service{at}")).collect();
    for (at, name) in names.iter().enumerate() {
        let command = register(
            node("host", "10.0.0.1"),
            Some(instance("host", name, name, 80)),
            vec![check("host", name, &format!("beats:{name}"), Status::Passing, 600_000)],
        );
        change(&cluster.handle(at % 3), keyspace, command).await.unwrap();
    }
    let all_are = |wanted: &'static str| {
        let (cluster, names) = (&cluster, &names);
        async move {
            for handle in cluster.handles() {
                for name in names {
                    let found = ask(&handle, keyspace, |all| members(all, name)).await;
                    assert_eq!(found, [format!("{name} {wanted}")]);
                }
            }
        }
    };
    all_are("at 10.0.0.1: Passing").await;
    // Another address, and a check of the node that says it is down: seen by whoever asks afterwards.
    change(&cluster.handle(1), keyspace, register(node("host", "10.0.0.2"), None, vec![]))
        .await
        .unwrap();
    all_are("at 10.0.0.2: Passing").await;
    let down = register(
        node("host", "10.0.0.2"),
        None,
        vec![check("host", "", "disk", Status::Critical, 0)],
    );
    change(&cluster.handle(2), keyspace, down).await.unwrap();
    all_are("at 10.0.0.2: Critical").await;
    let gone = RegistryCommand::Deregister(Target::Check(CheckKey::new(
        "host",
        DEFAULT_NAMESPACE,
        "disk",
    )));
    change(&cluster.handle(0), keyspace, gone).await.unwrap();
    all_are("at 10.0.0.2: Passing").await;

    // Nobody says this: the time of a check of the node is over, and its home's leader tells the shards.
    let beats = check("host", "", "heart", Status::Passing, 600);
    let handle = cluster.handle(0);
    let web = service(&names[0]);
    change(&handle, keyspace, register(node("host", "10.0.0.2"), None, vec![beats])).await.unwrap();
    let mut after = Revision(0);
    loop {
        let topic = (Topic::Service(web.clone()), after);
        let look = |all: Registries<'_>| all.service(&web, &InstanceFilter::default());
        let waiting = handle.registry_wait(keyspace, topic, Duration::from_secs(600), look);
        let answer = within("the node to fall silent", waiting).await.unwrap().body;
        assert!(answer.index > after);
        after = answer.index;
        if answer.value[0].status() == Status::Critical {
            break;
        }
    }

    // With the node all that is on it goes.
    let gone = RegistryCommand::Deregister(Target::Node("host".into()));
    change(&cluster.handle(1), keyspace, gone).await.unwrap();
    for handle in cluster.handles() {
        let counts = ask(&handle, keyspace, |all| all.counts()).await;
        assert_eq!(counts, [0, 0, 0, 0]);
    }
}

/// As when somebody who changed a node was cut off before every shard knew it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_shard_has_and_its_home_does_not_is_put_right_by_who_leads_that() {
    let cluster = Cluster::start(3, |config| config.registry_shards = 1).await;
    let home = known(&cluster).await;
    let handle = cluster.handle(0);
    let shard = handle.keyspace(Some("registry.1")).unwrap();
    let nodes = || async { ask(&handle, shard, |it| it.nodes(&[]).value.len()).await };
    change(&handle, home, register(node("known", "h"), None, vec![])).await.unwrap();
    // A copy of what the home knew once, and does not any more: its leader hears of each copy that a
    // shard takes.
    let stray =
        Mirror { at: Revision(1), name: "stray".into(), node: Some((node("stray", "h"), vec![])) };
    let stray = RegistryCommand::Mirror(vec![stray]);
    change(&cluster.handle(1), shard, stray).await.unwrap();
    until("the stray copy to be gone", || async { nodes().await == 0 }).await;

    // What came there in no way that is known goes when another node leads the home: it compares all.
    let instance = instance("lost", "web", "w", 80);
    change(&handle, shard, register(node("lost", "h"), Some(instance), vec![])).await.unwrap();
    assert_eq!(nodes().await, 1);
    let leader = handle.leader(home).unwrap().get();
    let from = cluster.handle(usize::try_from(leader - 1).unwrap());
    let to = types::NodeId(leader % 3 + 1);
    within("a handover", from.move_leader(home, to)).await.unwrap();
    until("what was lost to be gone", || async { nodes().await == 0 }).await;
    let left = ask(&handle, home, |all| (all.counts(), members(all, "web"))).await;
    assert_eq!(left, ([1, 0, 0, 0], vec![]));
}

/// As after a restore: parts are saved one after the other, so a shard may know of a change that its home has
/// not made yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_ahead_of_its_home_follows_it_all_the_same() {
    let cluster = Cluster::start(1, |config| config.registry_shards = 1).await;
    let home = known(&cluster).await;
    let handle = cluster.handle(0);
    let web = || Some(instance("host", "web", "w", 80));
    change(&handle, home, register(node("host", "before"), web(), vec![])).await.unwrap();
    let shard = handle.keyspace(Some("registry.1")).unwrap();
    let of_another_life = Mirror {
        at: Revision(1_000),
        name: "host".into(),
        node: Some((node("host", "of another life"), vec![])),
    };
    let seen = || async { ask(&handle, home, |all| members(all, "web")).await };
    change(&handle, shard, RegistryCommand::Mirror(vec![of_another_life])).await.unwrap();
    // The home's leader hears of the copy, and puts it right.
    until("the home's word", || async { seen().await == ["w at before: Passing"] }).await;
    for address in ["after", "after that"] {
        change(&handle, home, register(node("host", address), web(), vec![])).await.unwrap();
        assert_eq!(seen().await, [format!("w at {address}: Passing")]);
    }
}
