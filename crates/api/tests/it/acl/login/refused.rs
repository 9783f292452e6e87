//! Who is not let in, and what is written down of it.

use std::sync::Arc;
use std::time::Duration;

use node::audit::{Audit, AuditSettings};
use ring::hmac;
use serde_json::{Value, json};

use super::super::ask::{do_it, ready, settings};
use super::sign::{Signer, let_in, login, method, now, part, rule, tokens};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_who_is_not_vouched_for_and_each_try_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditSettings { path: path.clone(), file_bytes: 1 << 20, files: 2 };
    let audit = Arc::new(Audit::start(&log, "n1").unwrap());
    let server = Server::start_audited(settings(), Arc::clone(&audit)).await;
    ready(&server).await;
    let (signer, other) = (Signer::new("a"), Signer::new("a"));
    method(&server, "machines", &signer).await;
    rule(&server, "machines", "service", "${value.team}", r#"value.team == "web""#).await;
    rule(&server, "machines", "service", "${value.place}", r#"value.team == "odd""#).await;
    rule(&server, "machines", "role", "not-there", r#"value.team == "role""#).await;
    let template = "builtin/${value.team}";
    rule(&server, "machines", "templated-policy", template, r#"value.team == "tmpl""#).await;

    let good = json!({ "team": "web" });
    let with = |more: Value| {
        let mut all = good.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        signer.token(all)
    };
    let whole = with(json!({}));
    let (signed, signature) = whole.rsplit_once('.').unwrap();
    let claims = signed.split_once('.').unwrap().1;
    let none = format!("{}.{claims}.", part(r#"{"alg":"none"}"#));
    // As if the public key were a secret that both sides know.
    let header = format!("{}.{claims}", part(r#"{"alg":"HS256","kid":"a"}"#));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, signer.pem().as_bytes());
    let shared = format!("{header}.{}", part(hmac::sign(&secret, header.as_bytes())));
    let foreign = part(other.token(good.clone()));
    for (bearer, why) in [
        (with(json!({ "exp": now() - 120 })), "token is expired (exp)"),
        (with(json!({ "nbf": now() + 120 })), "token not valid yet (nbf)"),
        (with(json!({ "iat": now() + 120, "nbf": now() })), "token issued in the future (iat)"),
        (with(json!({ "exp": null, "iat": null })), "no issue time, notBefore, or expiration time"),
        (with(json!({ "iss": "else" })), "invalid issuer (iss)"),
        (with(json!({ "iss": null })), "invalid issuer (iss)"),
        (with(json!({ "aud": "else" })), "aud claim does not match any bound audience"),
        (with(json!({ "aud": null })), "aud claim does not match any bound audience"),
        (with(json!({ "team": {} })), "claim \"team\""),
        (other.token(good.clone()), "no known key successfully validated"),
        (format!("{signed}.{}", part("x")), "no known key successfully validated"),
        (format!("{}.{signature}", signed.replace('.', ".e")), "it is no JWT"),
        (none, "it is signed by \"none\""),
        (shared, "it is signed by \"HS256\""),
        (foreign, "it is no JWT"),
        ("garbage".to_owned(), "it is no JWT"),
        (String::new(), "no BearerToken"),
        ("a".repeat(20_000), "at most 16384 are allowed"),
        (with(json!({ "team": "nobody" })), "no binding rule"),
        (with(json!({ "team": "role" })), "no binding rule"),
        (
            with(json!({ "team": "tmpl" })),
            "no such ACL templated policy with Name \"builtin/tmpl\"",
        ),
        (with(json!({ "team": "odd" })), "unknown variable accessed: value.place"),
        (
            with(json!({ "team": "odd", "deep": { "place": "a b" } })),
            "computed \"service\" bind name for bind target is invalid: \"a b\"",
        ),
    ] {
        let came = login(&server, "machines", &bearer).await;
        assert_eq!(came.status, 403, "{why}: {came:?}");
        assert!(came.body.starts_with("Permission denied: "), "{came:?}");
        assert!(came.body.contains(why), "{why}: {came:?}");
    }
    let unknown = login(&server, "other", &whole).await;
    assert_eq!((unknown.status, unknown.body.contains("ACL not found")), (403, true));
    assert_eq!(tokens(&server, "machines").await, 0);

    let_in(&server, "machines", &whole).await;
    assert_eq!(tokens(&server, "machines").await, 1);
    do_it(&server, "DELETE /v1/acl/auth-method/machines", Value::Null).await;
    for _ in 0..500 {
        if std::fs::read_to_string(&path).unwrap().contains("acl auth method delete") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(signature) && !text.contains(&signed[..40]), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str, what: &str, on: &str| {
        let is_one = |line: &&Value| {
            line["kind"] == kind
                && line["what"] == what
                && line["on"].as_str().unwrap().contains(on)
                && line["address"].as_str().unwrap().starts_with("127.0.0.1:")
        };
        lines.iter().filter(is_one).count()
    };
    // So many of a second are written down; those beyond are counted.
    let suppressed = lines.iter().filter(|line| line["kind"] == "suppressed");
    let suppressed = suppressed.map(|line| line["outcome"].as_str().unwrap().parse::<usize>());
    let suppressed: usize = suppressed.map(Result::unwrap).sum();
    let written = count("denied", "acl login", "machines") + count("denied", "acl login", "other");
    assert!(written >= 20, "{text}");
    assert_eq!(written + suppressed, 24, "{text}");
    assert_eq!(count("rights", "acl login", " machines"), 1, "{text}");
    assert_eq!(count("rights", "acl auth method set", "machines"), 1, "{text}");
    assert_eq!(count("rights", "acl auth method delete", "machines"), 1, "{text}");
    assert_eq!(count("rights", "acl binding rule create", ""), 4, "{text}");
}
