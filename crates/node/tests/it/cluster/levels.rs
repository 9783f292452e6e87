//! Builds of different age in one cluster (ADR 18).

use std::time::Duration;

use node::{Node, Part};
use state::command::level;
use types::RegionId;

use super::world::{Cluster, DEFAULT, put, until, within};

const OLD: u32 = level::FIRST;
const NEW: u32 = level::ALL;

async fn is_at(cluster: &Cluster, at: usize, level: u32) {
    let handle = cluster.handle(at);
    until("a level", || async { handle.directory().level() == level }).await;
}

async fn refused(cluster: &Cluster, at: usize) {
    let error = within("an answer", Node::start(cluster.configs[at].clone())).await;
    let error = error.err().expect("a build that is too old").to_string();
    assert!(error.contains("older build") && error.contains("level"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_raised_by_the_last_new_build_and_an_old_one_does_not_come_back() {
    let soon = Duration::from_millis(200);
    let mut cluster = Cluster::start(3, |config| {
        config.level_after = soon;
        config.level = if config.name == "n3" { OLD } else { NEW };
    })
    .await;
    for at in 0..3 {
        let handle = cluster.handle(at);
        until("three levels", || async { handle.directory().levels.len() == 3 }).await;
    }
    tokio::time::sleep(2 * soon).await;
    for at in 0..3 {
        assert_eq!(cluster.handle(at).directory().level(), OLD, "n3 would not know what to do");
    }

    cluster.stop(2).await;
    cluster.configs[2].level = NEW;
    cluster.start_again(2).await;
    for at in 0..3 {
        is_at(&cluster, at, NEW).await;
    }

    // Its own data says so.
    cluster.stop(2).await;
    cluster.configs[2].level = OLD;
    refused(&cluster, 2).await;

    for level in [NEW, NEW + 1] {
        cluster.configs[2].level = level;
        cluster.start_again(2).await;
        cluster.handle(2).propose(DEFAULT, put("key", "x")).await.unwrap();
        if level == NEW {
            cluster.stop(2).await;
        }
    }
    // And one that was added is told so, by whomever it asks.
    let fourth = cluster.newcomer();
    cluster.configs[fourth].level = OLD;
    let url = [format!("http://{}", cluster.configs[fourth].advertise_peer)];
    let handle = cluster.handle(0);
    until("room", || async { handle.add_member(&url, Part::Learner).await.is_ok() }).await;
    refused(&cluster, fourth).await;

    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_build_that_was_away_when_the_level_was_raised_is_refused_by_the_others() {
    let mut cluster = Cluster::start(3, |config| {
        config.level_after = Duration::from_secs(3);
        config.level = OLD;
    })
    .await;
    for at in 0..3 {
        cluster.stop(at).await;
        cluster.configs[at].level = NEW;
    }
    cluster.start_all().await;
    let handle = cluster.handle(0);
    until("three levels", || async { handle.directory().known_level() == NEW }).await;
    drop(handle);
    cluster.stop(2).await;
    assert_eq!(cluster.handle(0).directory().level(), OLD, "not yet");
    is_at(&cluster, 0, NEW).await;

    // Its own data does not say so yet: nobody talks to it until it has the new build again.
    cluster.configs[2].level = OLD;
    let old = within("a start", Node::start(cluster.configs[2].clone())).await.unwrap();
    let ready = old.handle();
    let waited = tokio::time::timeout(Duration::from_secs(2), ready.ready(DEFAULT)).await;
    assert!(waited.is_err(), "it takes part");
    assert_eq!(ready.directory().level(), OLD);
    old.shutdown().await;
    drop(ready);
    cluster.configs[2].level = NEW;
    cluster.start_again(2).await;
    is_at(&cluster, 2, NEW).await;
    cluster.stop_all().await;
}

/// A node that was let in is new; the cluster is not, and somebody may want to go back.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_that_comes_to_lead_makes_nobody_hurry() {
    let mut cluster = Cluster::start(1, |config| {
        config.level_after = Duration::from_secs(3_600);
        config.level = OLD;
    })
    .await;
    cluster.stop(0).await;
    cluster.configs[0].level = NEW;
    cluster.start_all().await;
    let second = cluster.newcomer();
    let url = [format!("http://{}", cluster.configs[second].advertise_peer)];
    cluster.handle(0).add_member(&url, Part::Voter).await.unwrap();
    cluster.start_again(second).await;
    let handle = cluster.handle(second);
    until("both levels", || async { handle.directory().known_level() == NEW }).await;
    let own = handle.node();
    until("it leads", || async {
        cluster.node(0).hand_over().await;
        let stats = handle.stats(Some(RegionId::META)).await.unwrap();
        stats[0].group.as_ref().is_some_and(|group| group.leader_node == Some(own))
    })
    .await;
    // Each is applied behind what its leader has to say.
    for number in 0..20 {
        handle.create_keyspace(&format!("k{number}")).await.unwrap();
    }
    assert_eq!(handle.directory().level(), OLD);
    drop(handle);
    cluster.stop_all().await;
}
