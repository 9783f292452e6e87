//! Keys that others tell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::ask::{do_it, start};
use super::super::audit::{audited, has, lines};
use super::provider::Provider;
use super::sign::{Signer, let_in, login, rule};
use crate::server::Server;

async fn method(server: &Server, name: &str, config: Value) {
    let method = json!({ "Name": name, "Type": "jwt", "Config": config });
    do_it(server, "PUT /v1/acl/auth-method", method).await;
    rule(server, name, "service", "web", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_once_and_again_when_they_change() {
    let server = start(1).await.remove(0);
    let (first, second, third) = (Signer::new("1"), Signer::new("2"), Signer::new("3"));
    let keys = Arc::new(Mutex::new(vec![first.jwk()]));
    let told = Arc::clone(&keys);
    let provider =
        Provider::start(move |_| (200, json!({ "keys": *told.lock() }).to_string())).await;
    let url = format!("{}/keys", provider.url);
    method(&server, "set", json!({ "JWKSURL": url, "BoundAudiences": ["hiraeth"] })).await;
    let began = Instant::now();
    for _ in 0..3 {
        let_in(&server, "set", &first.token(json!({}))).await;
    }
    assert_eq!(provider.count(), 1);
    keys.lock().push(second.jwk());
    // Whoever names a key that nobody has cannot have it fetched again and again.
    for _ in 0..5 {
        assert_eq!(login(&server, "set", &third.token(json!({}))).await.status, 403);
    }
    // Once in five seconds, however many ask: until then the second key is not known either.
    while login(&server, "set", &second.token(json!({}))).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the second key is never fetched");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let_in(&server, "set", &first.token(json!({}))).await;
    let fetched = provider.count();
    let most = 1 + began.elapsed().as_secs() as usize / 5;
    assert!((2..=most).contains(&fetched), "{fetched} times; {most} are allowed");
    // By another key of its id, or none of its id.
    for signer in [&Signer::new("2"), &third] {
        let came = login(&server, "set", &signer.token(json!({}))).await;
        assert!(came.body.contains("no known key"), "{came:?}");
    }
    // Another configuration has other keys.
    keys.lock().clear();
    keys.lock().push(third.jwk());
    method(&server, "set", json!({ "JWKSURL": url, "BoundAudiences": ["hiraeth"] })).await;
    let_in(&server, "set", &third.token(json!({}))).await;
    assert_eq!(login(&server, "set", &first.token(json!({}))).await.status, 403);
    assert_eq!(provider.count(), fetched + 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_says_where_its_keys_are_and_speaks_for_itself_only() {
    let (server, _, folder) = audited(1 << 20).await;
    let signer = Signer::new("1");
    let (jwk, own) = (signer.jwk(), Arc::new(Mutex::new(String::new())));
    let url = Arc::clone(&own);
    let provider = Provider::start(move |asked| {
        let url = url.lock().clone();
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        match path {
            "/.well-known/openid-configuration" | "/liar/.well-known/openid-configuration" => {
                let said = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
                (200, said.to_string())
            }
            "/talker/.well-known/openid-configuration" => {
                (200, json!({ "issuer": "talk".repeat(1_000) }).to_string())
            }
            "/keys" => (200, json!({ "keys": [jwk] }).to_string()),
            "/large" => (200, "x".repeat(300_000)),
            "/moved" => (302, String::new()),
            _ => (404, String::new()),
        }
    })
    .await;
    *own.lock() = provider.url.clone();
    let at = |path: &str| format!("{}{path}", provider.url);
    let audience = json!(["hiraeth"]);
    let found = json!({ "OIDCDiscoveryURL": at(""), "BoundAudiences": audience });
    method(&server, "provider", found).await;
    let_in(&server, "provider", &signer.token(json!({ "iss": provider.url }))).await;
    let came = login(&server, "provider", &signer.token(json!({}))).await;
    assert!(came.body.contains("invalid issuer"), "{came:?}");

    for (name, path) in [("liar", "/liar"), ("talker", "/talker")] {
        let other = json!({ "OIDCDiscoveryURL": at(path), "BoundAudiences": audience });
        method(&server, name, other).await;
    }
    for (name, path) in [("large", "/large"), ("moved", "/moved"), ("gone", "/gone")] {
        method(&server, name, json!({ "JWKSURL": at(path), "BoundAudiences": audience })).await;
    }
    let metadata = json!({ "JWKSURL": "http://169.254.169.254/keys" });
    method(&server, "metadata", metadata).await;
    let whys = [
        ("liar", "it calls itself"),
        ("talker", "it calls itself \"talktalk"),
        ("large", "more than 262144 bytes"),
        ("moved", "status 302"),
        ("gone", "status 404"),
        ("metadata", "is in no network"),
    ];
    for (name, _) in whys {
        let came = login(&server, name, &signer.token(json!({ "iss": provider.url }))).await;
        // Where others are and what they say is not for everybody.
        let told = "Permission denied: the keys could not be fetched";
        assert_eq!((came.status, &*came.body), (403, told), "{name}");
    }
    let all = lines(server, &folder).await;
    for (name, why) in whys {
        let mut told = all.iter().filter(|it| it["on"] == name && it["kind"] == "denied");
        let line = told.next().unwrap_or_else(|| panic!("{name}: {all:?}"));
        assert!(has(line, "denied", "acl login", why), "{line}");
        assert!(line["outcome"].as_str().unwrap().chars().count() <= 256, "{line}");
    }
}
