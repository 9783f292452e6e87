//! Logging in and out by the command line tool, by a real server.

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::program::{tool, until};
use crate::server::Server;

/// A key in PEM form, and a token that it signed for a team, for a minute.
fn signed(team: &str) -> (String, String) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let der =
        [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], pair.public_key().as_ref()];
    let der = STANDARD.encode(der.concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "team": team, "exp": now.as_secs() + 60, "iat": now.as_secs() });
    let text = format!("{}.{}", part(json!({ "alg": "EdDSA" })), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes()));
    (pem, format!("{text}.{signature}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_signed_token_logs_in_and_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut server = Server::new(directory.path(), "n1");
    let first = file("first");
    std::fs::write(&first, "root-secret").unwrap();
    server.start(&["--acl", "on", "--acl-initial-management-token-file", &first]);
    server.serves().await;
    let client = server.client.clone();
    let run = |arguments: &[&str]| tool(&client, arguments);
    let as_root = |arguments: &[&str]| run(&[arguments, &["--acl-token", "root-secret"]].concat());
    let (pem, bearer) = signed("web");
    let config = json!({ "JWTValidationPubKeys": [pem], "ClaimMappings": { "team": "team" } });
    std::fs::write(file("config"), config.to_string()).unwrap();
    std::fs::write(file("bearer"), format!("{bearer}\n")).unwrap();
    let config = format!("@{}", file("config"));
    let create = ["acl", "auth-method", "create", "machines", "--type", "jwt", "--config", &config];
    // The switch, the first token and the level may take a moment.
    until("a method is made", || {
        as_root(&[&create[..], &["--max-token-ttl", "1h"]].concat()).code == 0
    });
    let rule = |kind: &str, name: &str| {
        let rule = ["acl", "binding-rule", "create", "--method", "machines", "--bind-type", kind];
        as_root(
            &[&rule[..], &["--bind-name", name, "--selector", "value.team == \"web\""]].concat(),
        )
    };
    rule("service", "${value.team}").well();
    assert_eq!(rule("service", "${value.nothing}").code, 2);
    let listed = as_root(&["acl", "auth-method", "list"]).well();
    assert!(listed.contains("machines") && listed.contains("1h0m0s"), "{listed}");
    assert!(as_root(&["acl", "auth-method", "read", "machines"]).well().contains("PUBLIC KEY"));
    let rules = as_root(&["acl", "binding-rule", "list", "--method", "machines"]).well();
    assert!(rules.contains("${value.team}"), "{rules}");

    let (bearer, sink) = (file("bearer"), file("secret"));
    let login = ["acl", "login", "--method", "machines", "--bearer-token-file", &bearer];
    let shown = run(&[&login[..], &["--meta", "pod=p1"]].concat()).well();
    for wanted in ["secret id", "service:web", "by", "machines", "pod", "ends"] {
        assert!(shown.contains(wanted), "{wanted} in {shown}");
    }
    let told = run(&[&login[..], &["--token-sink-file", &sink]].concat()).well();
    let secret = std::fs::read_to_string(&sink).unwrap();
    assert!(secret.len() == 36 && !told.contains(&secret), "{told}");
    assert_eq!(std::fs::metadata(&sink).unwrap().permissions().mode() & 0o777, 0o600);
    let own = run(&["acl", "token", "read", "self", "--acl-token", &secret]).well();
    assert!(own.contains("machines"), "{own}");
    run(&["acl", "logout", "--token-file", &sink]).well();
    assert_eq!(run(&["acl", "token", "read", "self", "--acl-token", &secret]).code, 4);
    assert_eq!(run(&["acl", "logout", "--acl-token", &secret]).code, 4);
    assert_eq!(as_root(&["acl", "logout"]).code, 4);

    std::fs::write(&bearer, "garbage").unwrap();
    let refused = run(&login);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("it is no JWT"), "{}", refused.stderr);
    as_root(&["acl", "auth-method", "delete", "machines"]).well();
    let tokens = as_root(&["acl", "token", "list"]).well();
    assert!(!tokens.contains("token created via login"), "{tokens}");
    server.stop();
}
