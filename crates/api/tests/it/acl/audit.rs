//! What is written down: who changed rights, was refused, and ran the cluster; and no secrets.

use std::sync::Arc;
use std::time::Duration;

use node::audit::{Audit, AuditSettings};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use serde_json::{Value, json};
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::ask::{ROOT, ask, ready, settings, token};
use crate::server::Server;

fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
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
    let server = Server::start_audited(settings(), Arc::clone(&audit)).await;
    ready(&server).await;
    let (id, narrow) = token(&server, "narrow", "key_prefix \"mine\" { policy = \"write\" }").await;
    assert_eq!(ask(&server, "GET /v1/kv/other", Some(&narrow), "").await.status, 403);
    assert_eq!(ask(&server, "GET /v1/kv/other", None, "").await.status, 403);
    assert_eq!(ask(&server, "PUT /v1/kv/other", Some("wrong-secret"), "hush").await.status, 403);
    // Lists are left short without a word.
    assert_eq!(ask(&server, "GET /v1/kv/?recurse", Some(&narrow), "").await.status, 404);
    assert_eq!(ask(&server, "GET /v1/snapshot", Some(ROOT), "").await.status, 200);
    assert_eq!(ask(&server, "GET /v1/snapshot", Some(&narrow), "").await.status, 403);
    let mut kv = KvClient::new(server.channel.clone());
    let put = pb::PutRequest { key: "other/2".into(), value: "hush".into(), ..Default::default() };
    assert!(kv.put(with_token(put, Some(&narrow))).await.is_err());
    let mut maintenance = MaintenanceClient::new(server.channel.clone());
    let defragment = pb::DefragmentRequest {};
    assert!(maintenance.defragment(with_token(defragment, None)).await.is_err());
    maintenance.defragment(with_token(defragment, Some(ROOT))).await.unwrap();
    for _ in 0..500 {
        if audit.tally().written >= 12 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
        (json!({ "kind": "management", "what": "GET /v1/snapshot", "outcome": "ok" }), 1),
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
    for hidden in ["hush", narrow.as_str(), "wrong-secret", "6.6.6.6", "\"root\""] {
        assert!(!text.contains(hidden), "{hidden} in\n{text}");
    }
}
