//! Secrets are told once, unless a server was told to keep them; and then to who may make tokens.

use node::AclSettings;
use serde_json::json;
use state::command::level;

use super::ask::{ROOT, ask, do_it, ready, settings, start, token};
use crate::server::Server;

fn keeping() -> AclSettings {
    AclSettings { keep_secrets: true, ..settings() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_secret_is_told_to_who_may_make_tokens() {
    let server = Server::start_with_acl(1, keeping()).await.remove(0);
    ready(&server).await;
    let (id, secret) = token(&server, "app", "key_prefix \"\" { policy = \"read\" }").await;
    let (_, reader) = token(&server, "reader", "acl = \"read\"").await;
    let (_, writer) = token(&server, "writer", "acl = \"write\"").await;
    let lines = [format!("GET /v1/acl/token/{id}"), "GET /v1/acl/tokens".to_owned()];
    for line in &lines {
        for (who, is_told) in [(&*reader, false), (&*writer, true), (ROOT, true)] {
            let came = ask(&server, line, Some(who), "").await;
            assert_eq!(came.status, 200, "{line}: {came:?}");
            assert_eq!(came.body.contains(&secret), is_told, "{line} by {who}: {came:?}");
        }
        // Nor to those that bring nothing, if they stand for who may.
        server.handle().set_default_token(Some(writer.as_str().into()));
        let came = ask(&server, line, None, "").await;
        assert!(came.status == 200 && !came.body.contains(&secret), "{line}: {came:?}");
        server.handle().set_default_token(None);
    }
    // Changing a token leaves it its secret; a clone has one of its own.
    let change = json!({ "Description": "changed", "Policies": [{ "Name": "app" }] });
    let changed = do_it(&server, &format!("PUT /v1/acl/token/{id}"), change).await;
    assert_eq!(changed["SecretID"], secret);
    let clone = do_it(&server, &format!("PUT /v1/acl/token/{id}/clone"), json!({})).await;
    assert_ne!(clone["SecretID"], secret);
    let line = format!("GET /v1/acl/token/{}", clone["AccessorID"].as_str().unwrap());
    assert_eq!(do_it(&server, &line, json!(null)).await["SecretID"], clone["SecretID"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_kept_is_told_once() {
    let server = start(1).await.remove(0);
    let (id, secret) = token(&server, "app", "key_prefix \"\" { policy = \"read\" }").await;
    let shown = do_it(&server, &format!("GET /v1/acl/token/{id}"), json!(null)).await;
    assert_eq!(shown["SecretID"], "<hidden>");
    let all = do_it(&server, "GET /v1/acl/tokens", json!(null)).await;
    assert!(!all.to_string().contains(&secret), "{all}");
    server.stop().await;
}

/// Members of before would not know what to do with it (ADR 18).
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_member_does_not_know_is_not_put_into_the_log() {
    let server = Server::start_old(settings(), level::PROPOSED_AGAIN).await;
    ready(&server).await;
    let before = do_it(&server, "GET /v1/acl/tokens", json!(null)).await;
    let service =
        json!({ "TemplateName": "builtin/service", "TemplateVariables": { "Name": "web" } });
    let templated = json!({ "TemplatedPolicies": [service] });
    let role = json!({ "Name": "web", "TemplatedPolicies": templated["TemplatedPolicies"] });
    for (line, body) in [("PUT /v1/acl/token", templated), ("PUT /v1/acl/role", role)] {
        let came = ask(&server, line, Some(ROOT), &body.to_string()).await;
        assert_ne!(came.status, 200, "{line}: {came:?}");
        assert!(came.body.contains("this needs level 3") && came.body.contains("hiraeth status"));
    }
    assert_eq!(do_it(&server, "GET /v1/acl/tokens", json!(null)).await, before);
    // All else goes on as it did.
    token(&server, "app", "key_prefix \"\" { policy = \"read\" }").await;
    server.stop().await;
}
