//! When what somebody may ends who logged in: with its time, and with the method.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::super::ask::{ask, do_it, start};
use super::super::ends::{index, waits};
use super::sign::{Signer, let_in, login, method, rule, tokens};

#[tokio::test(flavor = "multi_thread")]
async fn with_a_method_end_its_tokens_and_what_goes_on_by_them() {
    let servers = start(3).await;
    let signer = Signer::new("a");
    for name in ["machines", "others"] {
        method(&servers[0], name, &signer).await;
        rule(&servers[0], name, "service", "web", "").await;
    }
    let (gone, stays) = (
        let_in(&servers[1], "machines", &signer.token(json!({}))).await,
        let_in(&servers[1], "others", &signer.token(json!({}))).await,
    );
    let path = "health/service/web";
    let line = format!("{path}?index={}&wait=60s", index(&servers[2], path).await);
    let waiting = waits(&servers[2], line, gone.clone());
    let removing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let removed = Instant::now();
        do_it(&servers[0], "DELETE /v1/acl/auth-method/machines", Value::Null).await;
        removed
    };
    let both = async { tokio::join!(waiting, removing) };
    let ((status, at), removed) = timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!(status, 403);
    assert!(at >= removed);
    for server in &servers {
        let own = |secret: String| async move {
            ask(server, "GET /v1/acl/token/self", Some(&secret), "").await.status
        };
        assert_eq!((own(gone.clone()).await, own(stays.clone()).await), (403, 200));
    }
    let rules = do_it(&servers[1], "GET /v1/acl/binding-rules", Value::Null).await;
    assert_eq!(rules.as_array().unwrap().len(), 1, "{rules}");
    assert_eq!(login(&servers[1], "machines", &signer.token(json!({}))).await.status, 403);
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_no_longer_than_its_method_says() {
    let server = start(1).await.remove(0);
    let signer = Signer::new("a");
    let config = json!({ "JWTValidationPubKeys": [signer.pem()] });
    let method = json!({
        "Name": "short", "Type": "jwt", "MaxTokenTTL": "2s", "TokenLocality": "global",
        "Config": config,
    });
    let made = do_it(&server, "PUT /v1/acl/auth-method", method).await;
    assert_eq!((&made["MaxTokenTTL"], &made["TokenLocality"]), (&json!("2s"), &json!("global")));
    rule(&server, "short", "service", "web", "").await;
    let begin = Instant::now();
    let bearer = signer.token(json!({ "aud": null }));
    let came = login(&server, "short", &bearer).await.json();
    assert_eq!(came["Local"], false, "{came}");
    assert!(came["ExpirationTime"].as_str().unwrap() > came["CreateTime"].as_str().unwrap());
    let secret = came["SecretID"].as_str().unwrap();
    let path = "health/service/web";
    let line = format!("{path}?index={}&wait=60s", index(&server, path).await);
    let waiting = waits(&server, line, secret.to_owned());
    let (status, at) = timeout(Duration::from_secs(20), waiting).await.unwrap();
    assert_eq!(status, 403);
    assert!(at.duration_since(begin) >= Duration::from_secs(2));
    assert_eq!(ask(&server, "GET /v1/acl/token/self", Some(secret), "").await.status, 403);
    assert_eq!(tokens(&server, "short").await, 0);
    server.stop().await;
}
