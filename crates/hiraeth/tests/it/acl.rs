//! Consul's ACL by the command line tool, over restarts of a real server; and what lies on its disk.

use std::path::Path;

use client::{Client, Options, Token};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use serde_json::Value;

use crate::program::{tool, until};
use crate::server::Server;
use crate::users::{add_root, channel};

/// Files below a directory that have these bytes.
fn files_with(directory: &Path, wanted: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, wanted));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(wanted.len()).any(|part| part == wanted) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_used_and_kept_without_their_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(directory.path(), "n1");
    let audit = directory.path().join("audit.log");
    let audit_text = audit.to_str().unwrap().to_owned();
    let settings = ["--acl", "on", "--audit-log", &audit_text];
    server.start(&settings);
    server.serves().await;
    let client = server.client.clone();
    let run = |arguments: &[&str]| tool(&client, arguments);
    // The switch may take a moment; nobody is let in until then.
    let mut first = Value::Null;
    until("the first token is made", || {
        let made = run(&["acl", "bootstrap", "--output", "json"]);
        let is_made = made.code == 0;
        if is_made {
            first = made.json();
        }
        is_made
    });
    let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
    let root = text(&first, "SecretID");
    let again = run(&["acl", "bootstrap"]);
    assert_eq!(again.code, 4, "{}", again.stderr);
    assert!(again.stderr.contains("ACL bootstrap no longer allowed (reset index: "));
    assert!(again.stderr.contains("acl-bootstrap-reset"), "{}", again.stderr);
    let as_root = |arguments: &[&str]| run(&[arguments, &["--acl-token", &root]].concat());

    let wrong =
        as_root(&["acl", "policy", "create", "web", "--rules", "key \"a\" { policy = \"no\" }"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("line 1: Invalid key policy: \"no\""), "{}", wrong.stderr);
    let rules =
        "service_prefix \"web\" { policy = \"write\" }\nnode_prefix \"\" { policy = \"write\" }";
    as_root(&["acl", "policy", "create", "web", "--rules", rules]).well();
    assert!(as_root(&["acl", "policy", "read", "web"]).well().contains("service_prefix"));
    assert!(as_root(&["acl", "policy", "list"]).well().contains("global-management"));
    as_root(&["acl", "role", "create", "team", "--policy", "web"]).well();
    let made = as_root(&["acl", "token", "create", "--role", "team", "--description", "the team"]);
    let shown = made.well();
    let secret = shown.lines().find_map(|line| line.strip_prefix("secret id")).unwrap().trim();
    let as_team = |arguments: &[&str]| run(&[arguments, &["--acl-token", secret]].concat());
    let options = Options { token: Some(Token(secret.to_owned())), ..Options::default() };
    let team = Client::connect([client.as_str()], options).await.unwrap();
    let register = async |service: &str| {
        let body = format!(r#"{{"Name":"{service}","Port":80}}"#).into_bytes();
        let path = "/v1/agent/service/register";
        team.http(&client, "PUT", path, body).await.unwrap().status
    };
    assert_eq!(register("web").await, 200);
    assert_eq!(register("db").await, 403);
    assert!(as_team(&["service", "list"]).well().contains("web"));
    assert!(!run(&["service", "list"]).well().contains("web"));
    assert_eq!(as_team(&["acl", "token", "list"]).code, 4);
    let listed = as_root(&["acl", "token", "list"]).well();
    assert!(listed.contains("the team") && listed.contains("role:team"), "{listed}");

    // Killed, and started by somebody who says nothing of the ACL: it is as it was.
    server.kill();
    server.start(&[]);
    server.serves().await;
    assert!(as_team(&["service", "list"]).well().contains("web"));
    assert_eq!(run(&["acl", "token", "list"]).code, 4);
    for hidden in [root.as_str(), secret] {
        assert_eq!(files_with(directory.path(), hidden.as_bytes()), Vec::<String>::new());
    }
    let log = std::fs::read_to_string(&audit).unwrap();
    for wanted in ["acl bootstrap", "acl policy create", "acl token create", "\"kind\":\"denied\""]
    {
        assert!(log.contains(wanted), "{wanted} in\n{log}");
    }
    server.stop();
    server.start(&["--acl", "off"]);
    server.serves().await;
    until("nobody is held to anything", || {
        let listed = run(&["service", "list"]);
        listed.code == 0 && listed.stdout.contains("web")
    });
    // What is to be done about that is said.
    let off = as_root(&["acl", "token", "list"]);
    assert_eq!(off.code, 4, "{}", off.stderr);
    assert!(off.stderr.contains("ACL support disabled"), "{}", off.stderr);
    assert!(off.stderr.contains("hint: ") && off.stderr.contains("--acl on"), "{}", off.stderr);
    server.stop();
}

/// Where users have names already, the ACL's first token is not for whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn beside_users_root_makes_the_first_token() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(directory.path(), "n1");
    server.start(&[]);
    server.serves().await;
    let mut auth = AuthClient::new(channel(&server).await);
    add_root(&mut auth).await;
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    server.stop();
    server.start(&["--acl", "on"]);
    let client = server.client.clone();
    until("nobody is told that it is root's", || {
        let refused = tool(&client, &["acl", "bootstrap"]);
        assert_ne!(refused.code, 0, "{}", refused.stdout);
        refused.code == 4
            && refused.stderr.contains("only root bootstraps")
            && refused.stderr.contains("hint: ")
    });
    let made = tool(&client, &["acl", "bootstrap", "--user", "root:secret"]).well();
    assert!(made.contains("global-management"), "{made}");
    server.stop();
}
