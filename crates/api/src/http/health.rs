//! `/health`. The words are etcd's.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json};
use node::{Consistency, Handle};
use serde_json::json;
use types::KeyspaceId;

use crate::{error, ready};

pub(super) async fn health(
    State(handle): State<Handle>,
    Query(query): Query<BTreeMap<String, String>>,
) -> impl IntoResponse {
    let serializable = query.get("serializable").is_some_and(|value| value == "true");
    let consistency = if serializable { Consistency::Stale } else { Consistency::Linearizable };
    let reason = if !serializable && !handle.has_leader(KeyspaceId::DEFAULT) {
        Some("RAFT NO LEADER".to_owned())
    } else {
        let read = ready::probe(&handle, consistency).await;
        read.err().map(|fault| format!("RANGE ERROR:{}", error::message(&fault)))
    };
    match reason {
        None => (StatusCode::OK, Json(json!({ "health": "true", "reason": "" }))),
        Some(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "health": "false", "reason": reason })))
        }
    }
}
