use std::time::{Duration, Instant};

use proto::hiraeth::v1 as pb;

use super::{Client, client, get, history, name, release, text, told};
use crate::server::Server;

/// Reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn half(content: &str) -> pb::StartGrayRequest {
    let basis_points = Some(5_000);
    pb::StartGrayRequest {
        name: name("a"),
        content: text(content),
        basis_points,
        ..Default::default()
    }
}

pub(super) fn canary(lasts_ms: u64, failures: u32, promote: bool) -> pb::StartGrayRequest {
    let canary = pb::GrayCanary { lasts_ms, failures, promote, ..Default::default() };
    pb::StartGrayRequest { canary: Some(canary), ..half("gray") }
}

pub(super) fn end(version: u64) -> pb::EndGrayRequest {
    pb::EndGrayRequest { name: name("a"), version, why: "because".into() }
}

async fn who_has_it(client: &mut Client) -> Vec<String> {
    let mut have = Vec::new();
    for at in 0..60 {
        let id = format!("host-{at}");
        if get(client, "a", &id).await.unwrap().2 {
            have.push(id);
        }
    }
    have
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gray_release_is_widened_and_given_to_all_or_taken_back() {
    let server = Server::start().await;
    let mut client = client(&server);
    assert!(told(client.start_gray(half("x")).await).contains("has to be released first"));
    release(&mut client, "a", text("stable")).await.unwrap();
    let nobody = pb::StartGrayRequest { basis_points: None, ..half("x") };
    assert!(told(client.start_gray(nobody).await).contains("nobody would get this"));
    assert!(told(client.abort_gray(end(0)).await).starts_with("no gray release is under way"));

    let begun = client.start_gray(half("gray")).await.unwrap().into_inner();
    assert_eq!((begun.version.unwrap().version, begun.running), (2, true));
    let some = who_has_it(&mut client).await;
    assert!((10..50).contains(&some.len()), "{}", some.len());
    assert_eq!(get(&mut client, "a", "").await.unwrap(), (1, "stable".into(), false));
    assert!(
        told(client.start_gray(half("y")).await).contains("version 2 of default/default/a is one")
    );
    assert!(told(release(&mut client, "a", text("y")).await).contains("promote or abort it first"));

    let wider =
        |basis_points| pb::WidenGrayRequest { name: name("a"), basis_points, ..Default::default() };
    assert!(told(client.widen_gray(wider(Some(4_000))).await).contains("50 % get it already"));
    client.widen_gray(wider(Some(8_000))).await.unwrap();
    let more = who_has_it(&mut client).await;
    assert!(more.len() > some.len() && some.iter().all(|id| more.contains(id)));

    assert!(told(client.promote_gray(end(1)).await).contains("version 2 is one"));
    let ended = client.promote_gray(end(2)).await.unwrap().into_inner();
    assert_eq!((ended.running, ended.stable.unwrap().version), (false, 2));
    assert_eq!(get(&mut client, "a", "").await.unwrap(), (2, "gray".into(), false));

    client.start_gray(half("other")).await.unwrap();
    client.abort_gray(end(0)).await.unwrap();
    assert!(who_has_it(&mut client).await.is_empty());
    let versions = history(&mut client, "a").await.versions;
    let outcomes: Vec<_> =
        versions.iter().map(|it| (it.version, it.outcome(), it.outcome_why.as_str())).collect();
    use pb::ConfigOutcome as O;
    assert_eq!(
        outcomes,
        [(3, O::Aborted, "because"), (2, O::Promoted, "because"), (1, O::NoOutcome, "")]
    );
    // What was taken back is not what everybody had before.
    let back = pb::RollbackRequest { name: name("a"), ..Default::default() };
    let made = client.rollback(back).await.unwrap().into_inner().version.unwrap();
    assert_eq!((made.version, made.of), (4, 1));
    server.stop().await;
}

pub(super) async fn report(
    client: &mut Client,
    who: &str,
    failed: bool,
) -> Result<bool, tonic::Status> {
    let (client_id, message) = (who.to_owned(), format!("says {who}"));
    let request =
        pb::ReportRequest { name: name("a"), client: client_id, failed, message, version: 0 };
    Ok(client.report(request).await?.into_inner().counted)
}

/// Waits until no gray release is under way; answers how the last one ended.
pub(super) async fn ended(client: &mut Client, of: &str) -> pb::ConfigVersion {
    let began = Instant::now();
    loop {
        let known = history(client, of).await;
        if known.gray == 0 {
            return known.versions.into_iter().next().unwrap();
        }
        assert!(began.elapsed() < DEADLINE, "{known:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_ends_by_what_is_reported_and_by_its_time() {
    let servers = Server::start_cluster(3).await;
    let mut client = client(&servers[0]);
    release(&mut client, "a", text("stable")).await.unwrap();
    let short = canary(10, 1, true);
    assert!(told(client.start_gray(short).await).contains("a canary lasts from 1000"));

    // Two clients that fail, however often they say so, and one that thinks better of it.
    let long = 3_600_000;
    client.start_gray(canary(long, 3, true)).await.unwrap();
    assert!(told(report(&mut client, "", true).await).contains("needs an id"));
    for (who, failed) in [("x", true), ("x", true), ("y", true), ("y", false)] {
        assert!(report(&mut client, who, failed).await.unwrap());
    }
    let request = pb::GrayStatusRequest { name: name("a") };
    let status = client.gray_status(request).await.unwrap().into_inner();
    assert_eq!((status.ok, status.failed, status.failures.len()), (1, 1, 1));
    assert_eq!(
        (status.failures[0].client.as_str(), status.failures[0].message.as_str()),
        ("x", "says x")
    );
    // The one that counts comes in at another node.
    let mut other = super::client(&servers[1]);
    report(&mut client, "z", true).await.unwrap();
    report(&mut other, "w", true).await.unwrap();
    let last = ended(&mut client, "a").await;
    assert_eq!(last.outcome(), pb::ConfigOutcome::RolledBack);
    assert!(last.outcome_why.contains("3 clients reported failure"), "{last:?}");
    assert!(told(report(&mut client, "x", true).await).starts_with("no gray release is under way"));

    client.start_gray(canary(1_000, 2, true)).await.unwrap();
    assert_eq!(ended(&mut client, "a").await.outcome(), pb::ConfigOutcome::Promoted);
    assert_eq!(get(&mut client, "a", "").await.unwrap().1, "gray");
    client.start_gray(canary(1_000, 2, false)).await.unwrap();
    assert_eq!(ended(&mut client, "a").await.outcome(), pb::ConfigOutcome::Aborted);
    for server in servers {
        server.stop().await;
    }
}
