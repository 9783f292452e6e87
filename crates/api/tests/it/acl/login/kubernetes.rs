//! Who runs in a pod of Kubernetes.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::super::ask::do_it;
use super::super::audit::{audited, has, lines};
use super::provider::{Asked, Provider};
use super::sign::{let_in, login, rule};

/// A cluster with one service account that it vouches for.
fn answer(asked: &Asked) -> (u16, String) {
    if !asked.head.contains("authorization: Bearer own.service.account") {
        return (401, String::new());
    }
    let review = |status: Value| (201, json!({ "status": status }).to_string());
    let user = |name: &str| {
        let user = json!({ "username": name, "uid": "u1" });
        review(json!({ "authenticated": true, "user": user }))
    };
    match asked.line.rsplit_once(' ').unwrap_or_default().0 {
        "POST /apis/authentication.k8s.io/v1/tokenreviews" => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!(body["kind"], "TokenReview");
            match body["spec"]["token"].as_str().unwrap() {
                "plain" => user("system:serviceaccount:shop:web"),
                "called" => user("system:serviceaccount:shop:called"),
                "again" => user("system:serviceaccount:shop:again"),
                "gone" => user("system:serviceaccount:shop:gone"),
                "person" => user("jane"),
                "odd" => user("system:serviceaccount:../..:web"),
                "wrong" => {
                    review(json!({ "error": format!("it is not signed {}", "x".repeat(1_000)) }))
                }
                _ => review(json!({ "authenticated": false })),
            }
        }
        "GET /api/v1/namespaces/shop/serviceaccounts/web" => {
            (200, json!({ "metadata": { "uid": "u1" } }).to_string())
        }
        "GET /api/v1/namespaces/shop/serviceaccounts/called" => {
            let called = json!({ "consul.hashicorp.com/service-name": "Billing" });
            (200, json!({ "metadata": { "uid": "u1", "annotations": called } }).to_string())
        }
        "GET /api/v1/namespaces/shop/serviceaccounts/again" => {
            (200, json!({ "metadata": { "uid": "u2" } }).to_string())
        }
        _ => (404, String::new()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_says_whose_service_account_somebody_has() {
    let (server, _, folder) = audited(1 << 20).await;
    let provider = Provider::start(answer).await;
    let certificate = include_str!("../../../../../jwt/testdata/certificate.pem");
    let config = json!({
        "Host": provider.url, "CACert": certificate, "ServiceAccountJWT": "own.service.account",
    });
    let method = json!({ "Name": "pods", "Type": "kubernetes", "Config": config });
    do_it(&server, "PUT /v1/acl/auth-method", method).await;
    let name = "${serviceaccount.namespace}-${serviceaccount.name}";
    rule(&server, "pods", "service", name, r#"serviceaccount.namespace == "shop""#).await;
    rule(&server, "pods", "node", "${serviceaccount.uid}", r#"serviceaccount.name == "web""#).await;
    let_in(&server, "pods", "plain").await;
    let asked = provider.asked.lock().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let made = login(&server, "pods", "plain").await.json();
    assert_eq!(made["ServiceIdentities"][0]["ServiceName"], "shop-web");
    assert_eq!(made["NodeIdentities"][0]["NodeName"], "u1");
    let called = login(&server, "pods", "called").await.json();
    assert_eq!(called["ServiceIdentities"][0]["ServiceName"], "shop-billing");
    assert_eq!(called["NodeIdentities"], Value::Null);
    let whys = [
        ("person", ": username returned is not a service account", ""),
        ("odd", ": unexpected username format", ""),
        ("wrong", "", ": it is not signed xxx"),
        ("nobody", ": service account jwt not valid", ""),
        ("again", ": the service account is another one now", ""),
        ("gone", "", "status 404"),
    ];
    for (bearer, told, _) in whys {
        let came = login(&server, "pods", bearer).await;
        let told = format!("Permission denied: lookup failed{told}");
        assert_eq!((came.status, came.body), (403, told), "{bearer}");
    }
    let all = lines(server, &folder).await;
    let refused: Vec<&Value> = all.iter().filter(|it| has(it, "denied", "acl login", "")).collect();
    assert_eq!(refused.len(), whys.len(), "{refused:?}");
    for (line, (_, told, why)) in refused.into_iter().zip(whys) {
        assert!(has(line, "denied", "acl login", told), "{told}: {line}");
        assert!(has(line, "denied", "acl login", why), "{why}: {line}");
        assert!(line["outcome"].as_str().unwrap().chars().count() <= 256, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cluster_does_not_answer_nobody_is_let_in() {
    let (server, _, folder) = audited(1 << 20).await;
    let certificate = include_str!("../../../../../jwt/testdata/certificate.pem");
    let provider = Provider::start(|_| (401, String::new())).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = format!("https://{}", plain.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        drop(stream.write_all(b"HTTP/1.1 400 x\r\n\r\n").await);
    });
    let whys = [
        ("refused", &*provider.url, "status 401"),
        ("nobody", "http://127.0.0.1:1", "dial tcp"),
        // It does not speak TLS.
        ("tls", &*tls, "tls: "),
    ];
    for (name, host, _) in whys {
        let config =
            json!({ "Host": host, "CACert": certificate, "ServiceAccountJWT": "own.secret.jwt" });
        let method = json!({ "Name": name, "Type": "kubernetes", "Config": config });
        do_it(&server, "PUT /v1/acl/auth-method", method).await;
        rule(&server, name, "service", "web", "").await;
        let came = login(&server, name, "plain").await;
        let told = "Permission denied: lookup failed";
        assert_eq!((came.status, &*came.body), (403, told), "{name}");
    }
    let all = lines(server, &folder).await;
    for (name, host, why) in whys {
        let mut told = all.iter().filter(|it| it["on"] == name && it["kind"] == "denied");
        let line = told.next().unwrap_or_else(|| panic!("{name}: {all:?}"));
        assert!(has(line, "denied", "acl login", why), "{line}");
        assert!(has(line, "denied", "acl login", host), "{line}");
        assert!(!line.to_string().contains("own.secret"), "{line}");
    }
}
