//! What is written down: who changed rights, was refused, and ran the cluster; and no secrets.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use api::{DnsSockets, Zone, serve_dns};
use futures::FutureExt;
use node::audit::{Audit, AuditSettings};
use node::{AclSettings, Caller, Credentials, Handle};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use serde_json::{Value, json};
use state::auth::Demand;
use state::auth::acl::{AclCommand, AclId, AclPolicy};
use tokio::net::TcpStream;
use tonic::Request;
use tonic::metadata::MetadataValue;
use types::KeyspaceId;

use super::ask::{ROOT, ask, do_it, ready, settings, token};
use crate::auth::users;
use crate::dns::{self, over_udp};
use crate::server::Server;

pub(super) fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hiraeth-keyspace", MetadataValue::from_static("registry"));
    // Whatever a client says of where it is.
    request.metadata_mut().insert("hiraeth-origin", MetadataValue::from_static("6.6.6.6:6"));
    if let Some(token) = token {
        request.metadata_mut().insert("token", MetadataValue::try_from(token).unwrap());
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_written_down_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditSettings { path: path.clone(), file_bytes: 1 << 20, files: 2 };
    let audit = Arc::new(Audit::start(&log, "n1").unwrap());
    let server = Server::start_audited(settings(), audit).await;
    ready(&server).await;
    let (id, narrow) = token(&server, "narrow", "key_prefix \"mine\" { policy = \"write\" }").await;
    assert_eq!(ask(&server, "GET /v1/kv/other", Some(&narrow), "").await.status, 403);
    assert_eq!(ask(&server, "GET /v1/kv/other", None, "").await.status, 403);
    assert_eq!(ask(&server, "PUT /v1/kv/other", Some("wrong-secret"), "hush").await.status, 403);
    // Lists are left short without a word.
    assert_eq!(ask(&server, "GET /v1/kv/?recurse", Some(&narrow), "").await.status, 404);
    assert_eq!(ask(&server, "GET /v1/snapshot", Some(ROOT), "").await.status, 200);
    // The same request, written otherwise.
    assert_eq!(ask(&server, "GET /v1/snapshot/", Some(ROOT), "").await.status, 200);
    let asked =
        json!([{ "Resource": "key", "Access": "write", "Segment": "asked-for" }]).to_string();
    let line = "POST /v1/internal/acl/authorize";
    assert_eq!(ask(&server, line, Some(&narrow), &asked).await.json()[0]["Allow"], false);
    assert_eq!(ask(&server, "GET /v1/snapshot", Some(&narrow), "").await.status, 403);
    let mut kv = KvClient::new(server.channel.clone());
    let put = pb::PutRequest { key: "other/2".into(), value: "hush".into(), ..Default::default() };
    assert!(kv.put(with_token(put, Some(&narrow))).await.is_err());
    let mut maintenance = MaintenanceClient::new(server.channel.clone());
    let defragment = pb::DefragmentRequest {};
    assert!(maintenance.defragment(with_token(defragment, None)).await.is_err());
    maintenance.defragment(with_token(defragment, Some(ROOT))).await.unwrap();
    // What was answered was given to it before, and is written when it stops.
    server.stop().await;

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |wanted: Value| {
        let wanted = wanted.as_object().unwrap().clone();
        let is_one = |line: &&Value| {
            wanted.iter().all(|(name, value)| {
                let said = line[name].as_str().unwrap();
                value.as_str().unwrap().split('*').all(|part| said.contains(part))
            })
        };
        lines.iter().filter(is_one).count()
    };
    let here = "127.0.0.1:";
    for (wanted, times) in [
        (
            json!({ "kind": "rights", "what": "acl enable", "address": "settings", "outcome": "ok" }),
            1,
        ),
        (json!({ "kind": "rights", "what": "acl initial management token", "outcome": "ok" }), 1),
        (
            json!({ "kind": "rights", "what": "acl policy create", "address": here, "outcome": "ok" }),
            1,
        ),
        (json!({ "kind": "rights", "what": "acl token create", "on": &id, "outcome": "ok" }), 1),
        (
            json!({ "kind": "denied", "token": &id, "on": "other", "address": here, "what": "read" }),
            1,
        ),
        (
            json!({ "kind": "denied", "on": "other", "what": "read", "outcome": "anonymous*'key:read'" }),
            1,
        ),
        (
            json!({ "kind": "denied", "outcome": "InvalidAuthToken: ACL not found", "address": here }),
            1,
        ),
        (
            json!({ "kind": "denied", "token": &id, "on": "other/2", "what": "put", "address": here }),
            1,
        ),
        (json!({ "kind": "management", "what": "GET /v1/snapshot", "outcome": "ok" }), 2),
        (json!({ "kind": "management", "what": "GET /v1/snapshot/", "outcome": "ok" }), 1),
        (
            json!({ "kind": "management", "what": "GET /v1/snapshot", "token": &id, "outcome": "403" }),
            1,
        ),
        (json!({ "kind": "management", "what": "Defragment", "outcome": "gRPC status 7" }), 1),
        (
            json!({ "kind": "management", "what": "Defragment", "on": "registry", "outcome": "ok" }),
            1,
        ),
    ] {
        assert_eq!(count(wanted.clone()), times, "{wanted} in\n{text}");
    }
    for hidden in ["hush", "asked-for", narrow.as_str(), "wrong-secret", "6.6.6.6", "\"root\""] {
        assert!(!text.contains(hidden), "{hidden} in\n{text}");
    }
}

/// A server with an audit log of so many bytes in each of two files.
pub(super) async fn audited(file_bytes: u64) -> (Server, Arc<Audit>, tempfile::TempDir) {
    let (server, audit, folder) = audited_with(settings(), file_bytes).await;
    ready(&server).await;
    (server, audit, folder)
}

/// The same, with an ACL as it is told.
pub(super) async fn audited_with(
    acl: AclSettings,
    file_bytes: u64,
) -> (Server, Arc<Audit>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let audit =
        Arc::new(Audit::start(&AuditSettings { path, file_bytes, files: 2 }, "n1").unwrap());
    let server = Server::start_audited(acl, Arc::clone(&audit)).await;
    (server, audit, folder)
}

/// The lines, once the server has ended.
pub(super) async fn lines(server: Server, folder: &tempfile::TempDir) -> Vec<Value> {
    server.stop().await;
    let mut text = String::new();
    for name in ["audit.log.1", "audit.log"] {
        text += &std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn has(line: &Value, kind: &str, what: &str, outcome: &str) -> bool {
    let says = |name: &str, part: &str| line[name].as_str().unwrap().contains(part);
    line["kind"] == kind && says("what", what) && says("outcome", outcome)
}

/// Has a policy made, and hangs up when it is made and that was not heard yet: who asks may have to wait for
/// others before anything is begun. Answers whether it came to that.
async fn is_let_go<C: Credentials + Copy>(handle: &Handle, caller: Caller<'_, C>) -> bool {
    let id: AclId = handle.uuid().into();
    let policy = AclPolicy { name: (&*id).into(), ..AclPolicy::default() };
    let command = AclCommand::SetPolicy { id: id.clone(), policy, new: true };
    let is_made = || {
        let granted = caller.acl(Demand::Root).now_or_never();
        granted.is_some_and(|it| it.unwrap().auth.acl.policies.contains_key(&id))
    };
    let mut change = pin!(caller.change_acl(command));
    // It is woken when there is something new, and is looked at no more if that is it.
    poll_fn(|context| match is_made() {
        true => Poll::Ready(true),
        false => change.as_mut().poll(context).map(|done| {
            done.unwrap();
            false
        }),
    })
    .await
}

/// What a client set going and hung up on may have been done.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_written_down_too() {
    let (server, _, folder) = audited(1 << 20).await;
    let handle = server.handle();
    let root: Option<Box<str>> = Some(ROOT.into());
    // Each is begun and let go: as the server does it with a request whose connection ends.
    let caller = handle.caller(KeyspaceId::DEFAULT, &root);
    while !is_let_go(&handle, caller).await {}
    let front = api::Front::new(&handle);
    let request = hyper::Request::put("/v1/operator/autopilot/configuration")
        .header("x-consul-token", ROOT)
        .body(axum::body::Body::from("{}"))
        .unwrap();
    assert!(front.serve(request).now_or_never().is_none());
    let all = lines(server, &folder).await;
    let went = |kind: &str, what: &str| {
        all.iter().filter(|line| has(line, kind, what, "unknown: the client went")).count()
    };
    assert_eq!(went("rights", "acl policy create"), 1, "{all:?}");
    assert_eq!(went("management", "PUT /v1/operator/autopilot/configuration"), 1, "{all:?}");
}

/// What is not decided at once by a connection's own task, and what DNS asks, too.
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_from_where_it_was_asked() {
    let (server, _, folder) = audited(1 << 20).await;
    let (_, narrow) = token(&server, "narrow", "key_prefix \"mine\" { policy = \"write\" }").await;
    let read = pb::RangeRequest { key: "other".into(), ..Default::default() };
    let request = Some(pb::request_op::Request::RequestRange(read));
    let txn = pb::TxnRequest { success: vec![pb::RequestOp { request }], ..Default::default() };
    let mut kv = KvClient::new(server.channel.clone());
    assert!(kv.txn(with_token(txn, Some(&narrow))).await.is_err());

    // In the name of a token that nobody has (any more).
    do_it(&server, "PUT /v1/agent/token/default", json!({ "Token": "gone" })).await;
    let sockets = DnsSockets::bind("127.0.0.1:0").await.unwrap();
    let at = sockets.address().unwrap();
    let zone = Zone::new("consul", "dc1", 0).unwrap();
    let serving = tokio::spawn(serve_dns(server.handle(), sockets, zone, std::future::pending()));
    let name = "web.service.consul";
    over_udp(at, name).await;
    let mut over_tcp = TcpStream::connect(at).await.unwrap();
    dns::send(&mut over_tcp, &dns::query(7, name)).await;
    dns::receive(&mut over_tcp).await;
    serving.abort();
    let packet = String::from_utf8(dns::query(7, name)).unwrap();
    // With one header more than others send.
    let line = "POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message\r\nIgnored:";
    assert_eq!(ask(&server, line, None, &packet).await.status, 200);

    let all = lines(server, &folder).await;
    let denied: Vec<&Value> = all.iter().filter(|line| line["kind"] == "denied").collect();
    for line in &denied {
        assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
    let count =
        |outcome: &str| denied.iter().filter(|line| has(line, "denied", "", outcome)).count();
    // Who asked before the first token was there, as this test does until it is, was refused in other words.
    let unknown = count("InvalidAuthToken: ACL not found");
    assert_eq!((count("PermissionDenied"), unknown), (1, 3), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_passwords_is_written_down() {
    let (server, _, folder) = audited_with(AclSettings::default(), 1 << 20).await;
    let mut auth = users(&server.channel).await;
    for (name, password) in [("bob", "wrong-word"), ("nobody", "wrong-word"), ("bob", "bob")] {
        let (name, password) = (name.to_owned(), password.to_owned());
        drop(auth.authenticate(pb::AuthenticateRequest { name, password }).await);
    }
    let all = lines(server, &folder).await;
    let tried: Vec<&Value> =
        all.iter().filter(|line| has(line, "denied", "authenticate", "AuthFailed")).collect();
    assert_eq!(tried.len(), 2, "{all:?}");
    assert_eq!((&tried[0]["on"], &tried[1]["on"]), (&json!("bob"), &json!("nobody")));
    assert!(tried[0]["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{tried:?}");
    assert!(!format!("{all:?}").contains("wrong-word"));
}
