use std::time::Duration;

use proto::hiraeth::v1 as pb;
use tokio::time::timeout;
use tonic::Streaming;

use super::gray::{end, half};
use super::{Client, client, get, name, release, text};
use crate::server::Server;

/// Reached only when something is broken; and for how long nothing is to be told.
const DEADLINE: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(300);

type Told = Streaming<pb::WatchConfigResponse>;

async fn watch(client: &mut Client, id: &str, known: Option<&pb::ConfigVersion>) -> Told {
    let who = pb::ConfigClient { id: id.to_owned(), ..Default::default() };
    let request = pb::WatchConfigRequest {
        name: name("a"),
        client: Some(who),
        known_version: known.map_or(0, |known| known.version),
        known_digest: known.map(|known| known.digest.clone()).unwrap_or_default(),
    };
    client.watch(request).await.unwrap().into_inner()
}

/// What is told next: a version, its content, whether it is gray; nothing where there is none.
async fn next(told: &mut Told) -> Option<(u64, String, bool)> {
    let next = timeout(DEADLINE, told.message()).await.unwrap().unwrap().unwrap();
    let value = next.value?;
    let content = String::from_utf8(value.content.to_vec()).unwrap();
    Some((value.version.unwrap().version, content, value.gray))
}

fn some(version: u64, content: &str, gray: bool) -> Option<(u64, String, bool)> {
    Some((version, content.to_owned(), gray))
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_what_is_for_it_and_nothing_else() {
    let servers = Server::start_cluster(3).await;
    let mut one = client(&servers[0]);
    let mut all = watch(&mut one, "", None).await;
    assert_eq!(next(&mut all).await, None);
    release(&mut one, "a", text("first")).await.unwrap();
    assert_eq!(next(&mut all).await, some(1, "first", false));
    // Somebody the gray release will be for, at another node.
    one.start_gray(half("trial")).await.unwrap();
    let mut lucky = None;
    for at in 0..60 {
        let id = format!("host-{at}");
        if get(&mut one, "a", &id).await.unwrap().2 {
            lucky = Some(id);
            break;
        }
    }
    one.abort_gray(end(0)).await.unwrap();
    let mut other = client(&servers[1]);
    let named = |id: &str| pb::StartGrayRequest { ids: vec![id.to_owned()], ..half("gray") };
    let lucky = lucky.unwrap();
    let mut gray = watch(&mut other, &lucky, None).await;
    assert_eq!(next(&mut gray).await, some(1, "first", false));

    one.start_gray(named(&lucky)).await.unwrap();
    assert_eq!(next(&mut gray).await, some(3, "gray", true));
    one.abort_gray(end(0)).await.unwrap();
    assert_eq!(next(&mut gray).await, some(1, "first", false));
    one.start_gray(named(&lucky)).await.unwrap();
    assert_eq!(next(&mut gray).await, some(4, "gray", true));
    one.promote_gray(end(0)).await.unwrap();
    // The one has it already; the other was never told of anything between.
    assert_eq!(next(&mut all).await, some(4, "gray", false));
    assert!(timeout(QUIET, gray.message()).await.is_err());

    // Who comes again with what it has is told what is new, and that it is gone.
    let current = one.get(pb::GetConfigRequest { name: name("a"), ..Default::default() });
    let current = current.await.unwrap().into_inner().version.unwrap();
    // The revision is that of the configuration, whatever came to the keyspace since.
    release(&mut one, "elsewhere", text("x")).await.unwrap();
    let got = one.get(pb::GetConfigRequest { name: name("a"), ..Default::default() }).await;
    let mut fresh = watch(&mut other, "", None).await;
    let first = timeout(DEADLINE, fresh.message()).await.unwrap().unwrap().unwrap();
    let revision = first.value.unwrap().revision;
    assert_eq!(revision, got.unwrap().into_inner().revision);
    assert!(first.revision > revision);
    drop(fresh);
    let mut again = watch(&mut other, "", Some(&current)).await;
    assert!(timeout(QUIET, again.message()).await.is_err());
    release(&mut one, "a", text("last")).await.unwrap();
    assert_eq!(next(&mut again).await, some(5, "last", false));
    one.delete(pb::DeleteConfigRequest { name: name("a"), expected: None }).await.unwrap();
    assert_eq!(next(&mut again).await, None);
    drop((all, gray, again));
    for server in servers {
        server.stop().await;
    }
}

/// Who does not read gets the newest, and holds up nobody.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_told_the_newest() {
    const RELEASES: u64 = 80;
    let server = Server::start().await;
    let mut client = client(&server);
    release(&mut client, "a", text("0")).await.unwrap();
    let mut told = watch(&mut client, "", None).await;
    let filler = "x".repeat(500_000);
    for at in 1..=RELEASES {
        release(&mut client, "a", text(&format!("{at} {filler}"))).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&(RELEASES + 1)) {
        seen.push(next(&mut told).await.unwrap().0);
    }
    assert!(seen.is_sorted_by(|one, other| one < other) && seen.len() < 60, "{seen:?}");
    drop(told);
    server.stop().await;
}

/// Without the others a node tells what it has, and says so; who wants to hear of changes goes elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_answers_from_its_copy_and_lets_go_who_wants_a_leader() {
    let mut servers = Server::start_cluster(3).await;
    let mut client = client(&servers[0]);
    release(&mut client, "a", text("x")).await.unwrap();
    let request = || pb::WatchConfigRequest { name: name("a"), ..Default::default() };
    let mut strict = tonic::Request::new(request());
    strict.metadata_mut().insert("hasleader", "true".parse().unwrap());
    let mut strict = client.watch(strict).await.unwrap().into_inner();
    let mut patient = client.watch(request()).await.unwrap().into_inner();
    for told in [&mut strict, &mut patient] {
        assert_eq!(next(told).await, some(1, "x", false));
    }
    futures::future::join_all(servers.drain(1..).map(Server::stop)).await;
    let ended = timeout(DEADLINE, strict.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.message(), "etcdserver: no leader");
    assert!(timeout(QUIET, patient.message()).await.is_err());
    let stale = pb::GetConfigRequest { name: name("a"), stale: true, ..Default::default() };
    assert_eq!(client.get(stale).await.unwrap().into_inner().content, "x");
    drop(patient);
    servers.remove(0).stop().await;
}
