//! One door is as good as another: etcd's, the registry's own, DNS; and changes hold everywhere at once.

use std::time::Duration;

use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::hiraeth::v1 as wire;
use proto::hiraeth::v1::registry_client::RegistryClient;
use serde_json::json;
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use super::ask::{HUSH, ROOT, ask, do_it, fill, start, token};
use crate::auth::{every_root_method, users};
use crate::server::Server;

const NARROW: &str = r#"
key_prefix "mine" { policy = "write" }
service_prefix "mine" { policy = "write" }
node_prefix "" { policy = "read" }
"#;

/// For the registry's keyspace, with a token.
pub(super) fn request<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hiraeth-keyspace", MetadataValue::from_static("registry"));
    if let Some(token) = token {
        request.metadata_mut().insert("token", MetadataValue::try_from(token).unwrap());
    }
    request
}

/// A stream that watches a key of the registry's, and says nothing more.
pub(super) async fn watch(
    server: &Server,
    key: &str,
    token: &str,
) -> tonic::Streaming<pb::WatchResponse> {
    let create = pb::WatchCreateRequest { key: key.to_owned().into(), ..Default::default() };
    let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let orders =
        futures::StreamExt::chain(futures::stream::iter([create]), futures::stream::pending());
    let mut watch = WatchClient::new(server.channel.clone());
    watch.watch(request(orders, Some(token))).await.unwrap().into_inner()
}

fn get(key: &str, range_end: &str) -> pb::RangeRequest {
    pb::RangeRequest {
        key: key.to_owned().into(),
        range_end: range_end.to_owned().into(),
        ..Default::default()
    }
}

fn put(key: &str) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: "v".into(), ..Default::default() }
}

/// The keys of Consul's clients are records of etcd's, too: whoever takes that door meets the same rules.
#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_keys_are_held_to_the_rules_at_etcds_door() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    let (_, narrow) = token(&server, "narrow", NARROW).await;
    let mut kv = KvClient::new(server.channel.clone());
    for who in [None, Some("nobody's")] {
        for (key, end) in [("other/key", ""), ("mine/key", ""), ("\0", "\0")] {
            assert!(kv.range(request(get(key, end), who)).await.is_err(), "{key} with {who:?}");
        }
        assert!(kv.put(request(put("mine/key"), who)).await.is_err());
    }
    let found = kv.range(request(get("mine", "minf"), Some(&narrow))).await.unwrap().into_inner();
    assert_eq!((found.count, &*found.kvs[0].value), (1, &b"seen"[..]));
    kv.put(request(put("mine/more"), Some(&narrow))).await.unwrap();
    for (key, end) in [("other/key", ""), ("\0", "\0"), ("mine", "p")] {
        let refused = kv.range(request(get(key, end), Some(&narrow))).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{key}");
    }
    let refused = kv.put(request(put("other/key"), Some(&narrow))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // A lease would take along what came to live with it: that is for those who may do everything.
    let leased = pb::PutRequest { lease: 7, ..put("mine/key") };
    let refused = kv.put(request(leased, Some(&narrow))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let compact = pb::CompactionRequest { revision: 1, physical: false };
    let refused = kv.compact(request(compact, Some(&narrow))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Watches likewise; and one that may be made ends with the right to it.
    let first = watch(&server, "other/key", &narrow).await.message().await.unwrap().unwrap();
    assert!(first.canceled && first.cancel_reason.contains("permission denied"), "{first:?}");
    let mut stream = watch(&server, "mine/key", &narrow).await;
    assert!(stream.message().await.unwrap().unwrap().created);
    let policy = do_it(&server, "GET /v1/acl/policy/name/narrow", serde_json::Value::Null).await;
    let path = format!("PUT /v1/acl/policy/{}", policy["ID"].as_str().unwrap());
    do_it(&server, &path, json!({ "Name": "narrow", "Rules": "" })).await;
    let ended = timeout(Duration::from_secs(10), stream.message()).await.unwrap().unwrap().unwrap();
    assert!(ended.canceled, "{ended:?}");
    // Keys of other keyspaces are not Consul's.
    kv.put(put("free")).await.unwrap();
    drop(stream);
    server.stop().await;
}

/// Whatever is open to who takes etcd's door while its Auth is off: not the cluster itself.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_runs_the_cluster_by_etcds_door_while_the_acl_is_on() {
    let server = start(1).await.remove(0);
    let wrong = every_root_method(&server, None).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (_, narrow) = token(&server, "narrow", NARROW).await;
    let wrong = every_root_method(&server, Some(&narrow)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut auth = AuthClient::new(server.channel.clone());
    let mut list = Request::new(pb::AuthUserListRequest {});
    list.metadata_mut().insert("token", MetadataValue::from_static(ROOT));
    auth.user_list(list).await.unwrap();
    server.stop().await;
}

/// With both on: tokens for what is Consul's, users for the rest; a user's rights to the registry's keys stay
/// what they are, and a token is no user.
#[tokio::test(flavor = "multi_thread")]
async fn users_and_tokens_stand_side_by_side() {
    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let login = |name: &str| pb::AuthenticateRequest { name: name.into(), password: name.into() };
    let root = auth.authenticate(login("root")).await.unwrap().into_inner().token;
    let bob = auth.authenticate(login("bob")).await.unwrap().into_inner().token;
    let off = ask(&server, "GET /v1/acl/tokens", Some(&root), "").await;
    assert_eq!((off.status, &*off.body), (401, "ACL support disabled"));
    let handle = server.handle();
    let caller = handle.caller(types::KeyspaceId::DEFAULT, Some(root.clone().into()));
    let on = state::auth::acl::AclCommand::Enable { allows_by_default: false };
    caller.change_auth(state::auth::AuthCommand::Acl(Box::new(on))).await.unwrap();
    // It makes somebody who may do everything: not for whoever comes, where users have names.
    for who in [None, Some("anonymous"), Some("nobody's"), Some(&*bob)] {
        let refused = ask(&server, "PUT /v1/acl/bootstrap", who, "").await;
        assert_eq!(refused.status, 403, "{who:?}: {refused:?}");
    }
    let first = ask(&server, "PUT /v1/acl/bootstrap", Some(&root), "").await;
    assert_eq!(first.status, 200, "{first:?}");
    let secret = first.json()["SecretID"].as_str().unwrap().to_owned();
    let again = ask(&server, "PUT /v1/acl/bootstrap", None, "").await;
    assert_eq!(again.status, 403, "{again:?}");
    assert!(again.body.contains("ACL bootstrap no longer allowed (reset index: "), "{again:?}");
    // By the file in the node's directory, once.
    let index: String = again.body.chars().filter(char::is_ascii_digit).collect();
    std::fs::write(handle.data_dir().join("acl-bootstrap-reset"), &index).unwrap();
    assert_eq!(ask(&server, "PUT /v1/acl/bootstrap", None, "").await.status, 200);
    assert_eq!(ask(&server, "PUT /v1/acl/bootstrap", None, "").await.status, 403);

    let mut kv = KvClient::new(server.channel.clone());
    assert!(kv.put(put("a/1")).await.is_err());
    let mut with_secret = Request::new(put("b/1"));
    with_secret.metadata_mut().insert("token", MetadataValue::try_from(&*secret).unwrap());
    // Who may do everything may do this, too; who may not, has no rights of users.
    kv.put(with_secret).await.unwrap();
    let rules = json!({ "Name": "keys", "Rules": r#"key_prefix "" { policy = "write" }"# });
    let made = ask(&server, "PUT /v1/acl/policy", Some(&secret), &rules.to_string()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let wanted = json!({ "Policies": [{ "Name": "keys" }] }).to_string();
    let made = ask(&server, "PUT /v1/acl/token", Some(&secret), &wanted).await;
    let keys = made.json()["SecretID"].as_str().unwrap().to_owned();
    let mut with_keys = Request::new(put("a/1"));
    with_keys.metadata_mut().insert("token", MetadataValue::try_from(&*keys).unwrap());
    assert_eq!(kv.put(with_keys).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(ask(&server, "PUT /v1/kv/a/1", Some(&keys), "v").await.status, 200);
    // bob's rights are in another keyspace; root's are everywhere.
    assert_eq!(ask(&server, "GET /v1/kv/a/1", Some(&bob), "").await.status, 403);
    assert_eq!(ask(&server, "GET /v1/kv/a/1", Some(&root), "").await.status, 200);
    assert_eq!(ask(&server, "GET /v1/kv/a/1", None, "").await.status, 403);
    // In whose name everybody asks is not for any user to say.
    let own = json!({ "Token": keys }).to_string();
    for (who, status) in [(&bob, 403), (&keys, 403), (&root, 200)] {
        let set = ask(&server, "PUT /v1/agent/token/default", Some(who), &own).await;
        assert_eq!(set.status, status, "{set:?}");
    }
    server.stop().await;
}

/// The registry in its own words, and by names in DNS.
#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_own_door_goes_by_the_rules() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    let (_, narrow) = token(&server, "narrow", NARROW).await;
    let mut registry = RegistryClient::new(server.channel.clone());
    let find = |service: &str| wire::FindRequest { service: service.into(), ..Default::default() };
    let count = |found: tonic::Response<wire::FindResponse>| found.into_inner().instances.len();
    assert_eq!(count(registry.find(request(find("mine"), None)).await.unwrap()), 0);
    assert_eq!(count(registry.find(request(find("mine"), Some(&narrow))).await.unwrap()), 2);
    assert_eq!(count(registry.find(request(find("other"), Some(&narrow))).await.unwrap()), 0);
    assert_eq!(count(registry.find(request(find("other"), Some(ROOT))).await.unwrap()), 2);
    let audit = wire::AuditRequest { service: "other".into(), ..Default::default() };
    let refused = registry.audit(request(audit, Some(&narrow))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let drain =
        wire::DrainRequest { node: "other".into(), id: "other-1".into(), ..Default::default() };
    assert!(registry.drain(request(drain, Some(&narrow))).await.is_err());

    let (orders, stream) = tokio::sync::mpsc::channel(8);
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut told = registry.open(request(stream, Some(&narrow))).await.unwrap().into_inner();
    let say = |ask| wire::OpenRequest { ask: Some(ask) };
    use wire::open_request::Ask;
    use wire::open_response::Tell;
    for (number, service) in [(1, "other"), (2, "mine")] {
        let service = service.to_owned();
        let subscribe = wire::Subscribe { subscription: number, service, ..Default::default() };
        orders.send(say(Ask::Subscribe(subscribe))).await.unwrap();
    }
    let instance = |service: &str| wire::Instance {
        service: service.into(),
        address: "10.0.0.1".into(),
        node: "mine".into(),
        id: format!("{service}-stream"),
        port: 1,
        ..Default::default()
    };
    for (number, service) in [(11, "other"), (12, "mine")] {
        let instance = Some(instance(service));
        let register = wire::Register { request: number, instance };
        orders.send(say(Ask::Register(register))).await.unwrap();
    }
    let mut answers = Vec::new();
    let mut updates = Vec::new();
    while answers.len() < 3 || updates.is_empty() {
        let next =
            timeout(Duration::from_secs(10), told.message()).await.unwrap().unwrap().unwrap();
        assert!(!format!("{next:?}").contains(HUSH));
        match next.tell.unwrap() {
            Tell::Answer(answer) => answers.push((answer.request, Code::from(answer.code))),
            Tell::Update(update) => updates.push(update.subscription),
            Tell::Unknown(_) => {}
        }
    }
    answers.sort_by_key(|(request, _)| *request);
    let denied = Code::PermissionDenied;
    assert_eq!(answers, [(1, denied), (11, denied), (12, Code::Ok)]);
    assert!(updates.iter().all(|subscription| *subscription == 2), "{updates:?}");
    // Who may no more is told no more.
    let policy = do_it(&server, "GET /v1/acl/policy/name/narrow", serde_json::Value::Null).await;
    let path = format!("PUT /v1/acl/policy/{}", policy["ID"].as_str().unwrap());
    do_it(&server, &path, json!({ "Name": "narrow", "Rules": "" })).await;
    let end = async {
        loop {
            match told.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without a word"),
                Err(status) => return status.code(),
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(10), end).await.unwrap(), denied);
    server.stop().await;
}

/// A token that is made, changed or removed at one node is so at all, for whatever begins later.
#[tokio::test(flavor = "multi_thread")]
async fn changes_hold_on_every_node_at_once() {
    let servers = start(3).await;
    fill(&servers[0]).await;
    for round in 0..3 {
        let (id, secret) = token(&servers[round], &format!("t{round}"), NARROW).await;
        for server in &servers {
            let came = ask(server, "GET /v1/kv/mine/key?raw", Some(&secret), "").await;
            assert_eq!((came.status, &*came.body), (200, "seen"));
        }
        do_it(&servers[(round + 1) % 3], &format!("DELETE /v1/acl/token/{id}"), json!(null)).await;
        for server in &servers {
            for stale in ["", "&stale"] {
                let path = format!("GET /v1/kv/mine/key?raw{stale}");
                let came = ask(server, &path, Some(&secret), "").await;
                assert_eq!((came.status, &*came.body), (403, "ACL not found"));
            }
        }
    }
    for server in servers {
        server.stop().await;
    }
}

/// Who waits for a change is shown what it may see when there is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_query_is_answered_by_the_rights_of_then() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    let (id, secret) = token(&server, "narrow", NARROW).await;
    let path = "GET /v1/health/service/mine";
    let now = ask(&server, path, Some(&secret), "").await;
    assert_eq!(now.json().as_array().map(Vec::len), Some(2), "{now:?}");
    let index: u64 = now
        .head
        .split("x-consul-index: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let line = format!("{path}?index={index}&wait=60s");
    let kv = ask(&server, "GET /v1/kv/mine/key", Some(&secret), "").await;
    let kv_index = kv.json()[0]["ModifyIndex"].as_u64().unwrap();
    let kv_line = format!("GET /v1/kv/mine/key?index={kv_index}&wait=60s");
    let change = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        do_it(&server, &format!("DELETE /v1/acl/token/{id}"), json!(null)).await;
        ask(&server, "PUT /v1/kv/mine/key", Some(ROOT), "later").await;
        let agent = json!({ "ID": "mine-agent", "Name": "mine", "Port": 10 });
        do_it(&server, "PUT /v1/agent/service/register", agent).await;
    };
    let (waited, kv_waited, ()) = tokio::join!(
        ask(&server, &line, Some(&secret), ""),
        ask(&server, &kv_line, Some(&secret), ""),
        change
    );
    assert_eq!(waited.status, 403, "{waited:?}");
    assert_eq!(kv_waited.status, 403, "{kv_waited:?}");
    server.stop().await;
}

/// A node that was told nothing of it is held to what the cluster has.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_switches_on_holds_on_all() {
    let servers = Server::start_cluster(3).await;
    let put = ask(&servers[0], "PUT /v1/kv/a", None, "v").await;
    assert_eq!(put.status, 200, "{put:?}");
    let reads = ask(&servers[0], "GET /v1/kv/a", None, "").await;
    assert!(reads.head.contains("x-consul-default-acl-policy: allow"), "{reads:?}");
    let on = state::auth::acl::AclCommand::Enable { allows_by_default: false };
    let handle = servers[1].handle();
    let nobody: Option<Box<str>> = None;
    let caller = handle.caller(types::KeyspaceId::DEFAULT, nobody);
    caller.change_auth(state::auth::AuthCommand::Acl(Box::new(on))).await.unwrap();
    for server in &servers {
        for line in ["GET /v1/kv/a", "GET /v1/kv/a?stale", "PUT /v1/kv/a"] {
            assert_eq!(ask(server, line, None, "").await.status, 403, "{line}");
        }
    }
    for server in servers {
        server.stop().await;
    }
}
