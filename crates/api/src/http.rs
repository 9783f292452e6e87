//! What is served over plain HTTP: health, version, metrics. The words are etcd's (3.6).

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use bytes::Bytes;
use node::{Consistency, Handle};
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
    let text = crate::metrics::exposition(&handle).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
