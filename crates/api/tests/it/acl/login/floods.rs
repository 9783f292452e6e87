//! Logging in again and again, let in or not: it fills no audit log, and hides nothing else.

use futures::future::join_all;
use node::AclSettings;
use proto::etcdserverpb as pb;
use serde_json::{Value, json};
use state::auth::AuthCommand;
use state::auth::acl::AclCommand;
use types::KeyspaceId;

use super::super::ask::{ask, do_it, token};
use super::super::audit::{audited, audited_with, has, lines};
use super::sign::{Signer, let_in, login, method, rule};
use crate::auth::users;

/// More than are written down of one kind, also where an hour turns meanwhile.
const MANY: usize = 820;

fn suppressed(all: &[Value], on: &str) -> usize {
    let told = all.iter().filter(|line| line["kind"] == "suppressed" && line["on"] == on);
    told.map(|line| line["outcome"].as_str().unwrap().parse::<usize>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_and_out_without_end_does_not_fill_the_audit_log() {
    let (server, _, folder) = audited(1 << 20).await;
    let signer = Signer::new("a");
    method(&server, "machines", &signer).await;
    rule(&server, "machines", "service", "web", "").await;
    let (made, _) = token(&server, "made", "").await;
    let bearer = signer.token(json!({}));
    let both = || async {
        let secret = let_in(&server, "machines", &bearer).await;
        let out = ask(&server, "POST /v1/acl/logout", Some(&secret), "").await;
        assert_eq!(out.status, 200, "{out:?}");
    };
    for _ in 0..MANY / 2 / 10 {
        join_all((0..10).map(|_| both())).await;
    }
    // What others do is written down as before.
    assert_eq!(login(&server, "other", &bearer).await.status, 403);
    do_it(&server, &format!("DELETE /v1/acl/token/{made}"), Value::Null).await;
    let all = lines(server, &folder).await;
    let count = |kind: &str, what: &str| {
        all.iter().filter(|line| has(line, kind, what, "") && line["on"] != made.as_str()).count()
    };
    let written = count("rights", "acl login") + count("rights", "acl token delete");
    assert!((20..=800).contains(&written), "{written}");
    assert_eq!(written + suppressed(&all, "logins and logouts"), MANY);
    assert_eq!(count("denied", "acl login"), 1);
    let deleted = all.iter().filter(|line| has(line, "rights", "acl token delete", "ok"));
    assert_eq!(deleted.filter(|line| line["on"] == made.as_str()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_again_and_again_hides_no_wrong_password() {
    let (server, _, folder) = audited_with(AclSettings::default(), 1 << 20).await;
    let mut auth = users(&server.channel).await;
    let own = |name: &str| pb::AuthenticateRequest { name: name.into(), password: name.into() };
    let root = auth.authenticate(own("root")).await.unwrap().into_inner().token;
    let handle = server.handle();
    let caller = handle.caller(KeyspaceId::DEFAULT, Some(root.into()));
    let on = AclCommand::Enable { allows_by_default: false };
    caller.change_auth(AuthCommand::Acl(Box::new(on))).await.unwrap();
    for _ in 0..MANY / 10 {
        join_all((0..10).map(|_| async {
            assert_eq!(login(&server, "nowhere", "x").await.status, 403);
        }))
        .await;
    }
    let wrong = pb::AuthenticateRequest { name: "bob".into(), password: "wrong".into() };
    assert!(auth.authenticate(wrong).await.is_err());
    let all = lines(server, &folder).await;
    let count = |what: &str| all.iter().filter(|line| has(line, "denied", what, "")).count();
    assert_eq!(count("authenticate"), 1);
    assert_eq!(count("acl login") + suppressed(&all, "refused logins"), MANY);
    assert_eq!(suppressed(&all, "wrong passwords"), 0);
}
