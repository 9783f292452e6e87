//! What is served over plain HTTP: health, version, metrics. The words are etcd's (3.6).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use bytes::Bytes;
use node::{Answer, Consistency, Handle};
use serde_json::json;
use state::request::RangeRequest;
use types::{Fault, KeyRange, KeyspaceId};

use crate::error;
use crate::etcd::{CLUSTER_VERSION, VERSION};

/// The routes over the node behind `handle`.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .with_state(handle)
}

/// Reads from the default keyspace, as a client would.
async fn probe(handle: &Handle, consistency: Consistency) -> Result<(), Fault> {
    let range = KeyRange::single(&Bytes::from_static(b"health"));
    let request = RangeRequest { range, count_only: true, ..RangeRequest::default() };
    handle.range(KeyspaceId::DEFAULT, request, consistency).await.map(drop)
}

async fn health(
    State(handle): State<Handle>,
    Query(query): Query<BTreeMap<String, String>>,
) -> impl IntoResponse {
    let serializable = query.get("serializable").is_some_and(|value| value == "true");
    let consistency = if serializable { Consistency::Stale } else { Consistency::Linearizable };
    let reason = if !serializable && !handle.has_leader(KeyspaceId::DEFAULT) {
        Some("RAFT NO LEADER".to_owned())
    } else {
        let read = probe(&handle, consistency).await;
        read.err().map(|fault| format!("RANGE ERROR:{}", error::message(&fault)))
    };
    match reason {
        None => (StatusCode::OK, Json(json!({ "health": "true", "reason": "" }))),
        Some(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "health": "false", "reason": reason })))
        }
    }
}

/// The process runs and answers; nothing else is asked of it, so that a node is not restarted because
/// others are gone.
async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(handle): State<Handle>) -> impl IntoResponse {
    match probe(&handle, Consistency::Linearizable).await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(fault) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("[-]linearizable_read failed: {}\n", error::message(&fault)),
        ),
    }
}

async fn version() -> impl IntoResponse {
    Json(json!({
        "etcdserver": VERSION,
        "etcdcluster": CLUSTER_VERSION,
        "storage": CLUSTER_VERSION,
    }))
}

async fn metrics(State(handle): State<Handle>) -> impl IntoResponse {
    let status = handle.status(KeyspaceId::DEFAULT).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition(status.ok().as_ref()))
}

/// Prometheus' text format; without a status, only what is known without it.
fn exposition(status: Option<&Answer<node::ReplicaStatus>>) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, labels: &str, value: i128| {
        // Writing into a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}\n");
    };
    gauge(
        "etcd_server_version",
        "The etcd version whose API is served.",
        &format!("{{server_version=\"{VERSION}\"}}"),
        1,
    );
    let Some(Answer { header, body }) = status else { return text };
    let leads = body.leader == Some(header.member);
    let keyspace = "{keyspace=\"default\"}";
    let gauges: [(&str, &str, &str, i128); 9] = [
        ("etcd_server_has_leader", "Whether a leader is known.", "", body.leader.is_some().into()),
        ("etcd_server_is_leader", "Whether this node leads.", "", leads.into()),
        (
            "etcd_mvcc_db_total_size_in_bytes",
            "Bytes of the records kept, on disk and not yet there.",
            "",
            body.db_size.into(),
        ),
        (
            "etcd_mvcc_db_total_size_in_use_in_bytes",
            "Bytes of the engine in use.",
            "",
            body.db_size_in_use.into(),
        ),
        (
            "etcd_debugging_mvcc_current_revision",
            "The newest revision applied.",
            "",
            header.revision.get().into(),
        ),
        ("hiraeth_region_term", "The region's Raft term.", keyspace, header.term.get().into()),
        (
            "hiraeth_region_commit_index",
            "The newest index known committed.",
            keyspace,
            body.commit_index.into(),
        ),
        (
            "hiraeth_region_applied_index",
            "The newest index applied.",
            keyspace,
            body.applied_index.into(),
        ),
        (
            "hiraeth_region_last_index",
            "The newest index in the log.",
            keyspace,
            body.last_index.into(),
        ),
    ];
    for (name, help, labels, value) in gauges {
        gauge(name, help, labels, value);
    }
    text
}
