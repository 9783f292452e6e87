//! What is refused again and again: it pushes nothing out of the audit log, and hides no other refusal.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use serde_json::json;

use super::ask::{ROOT, ask, do_it, token};
use super::audit::{audited, has, lines, with_token};

/// Whoever may do nothing may say so as often as it likes; what others did stays in the files.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_audit_log_with_what_it_may_not_do() {
    // Room for as many lines of refusals as there are in two hours, however fast they come: the test may run
    // when one turns into the next. Not for all.
    let (server, audit, folder) = audited(320 << 10).await;
    do_it(&server, "PUT /v1/acl/policy", json!({ "Name": "kept" })).await;
    let mut maintenance = MaintenanceClient::new(server.channel.clone());
    for _ in 0..30 {
        // Everybody may list alarms, and it is nothing to write down.
        maintenance.alarm(pb::AlarmRequest::default()).await.unwrap();
    }
    let before = audit.tally().written;
    for _ in 0..200 {
        let all = (0..8).map(|_| async {
            let refused = ask(&server, "PUT /v1/acl/bootstrap", None, "").await;
            assert_eq!(refused.status, 403, "{refused:?}");
            let mut maintenance = MaintenanceClient::new(server.channel.clone());
            assert!(maintenance.defragment(pb::DefragmentRequest {}).await.is_err());
        });
        futures::future::join_all(all).await;
    }
    assert!(audit.tally().suppressed > 1_000);
    let raise = pb::AlarmRequest { action: 1, alarm: 1, member_id: 7 };
    maintenance.alarm(with_token(raise, Some(ROOT))).await.unwrap();
    let all = lines(server, &folder).await;
    let count = |kind: &str, what: &str, outcome: &str| {
        all.iter().filter(|line| has(line, kind, what, outcome)).count()
    };
    assert_eq!(count("rights", "acl policy create", "ok"), 1, "it was pushed out");
    assert_eq!(count("rights", "acl bootstrap", ""), 0, "it was proposed again");
    assert!(count("denied", "acl bootstrap", "no longer allowed") > 0);
    assert!(count("suppressed", "", "") > 0);
    assert_eq!(count("management", "Alarm activate", "ok"), 1);
    assert_eq!(count("management", "Alarm", ""), 1);
    assert!(audit.tally().written > before);
}

/// Who sends tokens that nobody has hides none of those that are known, nor what is asked without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_tokens_hides_no_other_refusal() {
    let (server, audit, folder) = audited(1 << 20).await;
    let (id, narrow) = token(&server, "narrow", "key_prefix \"mine\" { policy = \"write\" }").await;
    let (_, own) = token(&server, "own", "").await;
    let wrong = || ask(&server, "GET /v1/kv/other", Some("wrong"), "");
    // More than are written down of all kinds together, in an hour.
    for _ in 0..210 {
        futures::future::join_all((0..10).map(|_| wrong())).await;
    }
    assert!(audit.tally().suppressed > 1_000);
    assert_eq!(ask(&server, "GET /v1/kv/narrows", Some(&narrow), "").await.status, 403);
    assert_eq!(ask(&server, "GET /v1/kv/nobodys", None, "").await.status, 403);
    let mut maintenance = MaintenanceClient::new(server.channel.clone());
    assert!(maintenance.defragment(pb::DefragmentRequest {}).await.is_err());
    // Who brings no token is nobody, too, where the server asks in the name of one of its own.
    let line = "PUT /v1/agent/token/default";
    let set = json!({ "Token": own }).to_string();
    assert_eq!(ask(&server, line, Some(ROOT), &set).await.status, 200);
    for _ in 0..41 {
        futures::future::join_all((0..10).map(|_| ask(&server, "GET /v1/kv/other", None, "")))
            .await;
    }
    assert_eq!(ask(&server, "GET /v1/kv/narrows/2", Some(&narrow), "").await.status, 403);
    let all = lines(server, &folder).await;
    let of = |on: &str| all.iter().filter(|line| line["on"] == on).collect::<Vec<_>>();
    assert_eq!(of("narrows").len() + of("narrows/2").len(), 2, "{all:?}");
    assert!(of("narrows").iter().all(|line| line["token"] == id.as_str()));
    assert_eq!(of("nobodys").len(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|line| has(line, "management", "Defragment", "")).count(), 1);
    for kind in ["tokens that nobody has", "of nobody known"] {
        assert!(!of(kind).is_empty(), "{kind} in {all:?}");
    }
    assert!(of("of users and tokens").is_empty(), "{all:?}");
}
