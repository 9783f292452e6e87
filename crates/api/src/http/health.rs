//! `/health`. The words are etcd's.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json};
use node::{Consistency, Handle};
use serde_json::json;
use state::alarms::AlarmKind;
use types::KeyspaceId;

use crate::{error, ready};

/// A key may come more than once: `?exclude=NOSPACE&exclude=CORRUPT`.
pub(super) async fn health(
    State(handle): State<Handle>,
    Query(query): Query<Vec<(String, String)>>,
) -> impl IntoResponse {
    let serializable = query.iter().any(|(key, value)| key == "serializable" && value == "true");
    let consistency = if serializable { Consistency::Stale } else { Consistency::Linearizable };
    let reason = if !serializable && !handle.has_leader(KeyspaceId::DEFAULT) {
        Some("RAFT NO LEADER".to_owned())
    } else if let Some(alarm) = alarm(&handle, &query).await {
        Some(format!("ALARM {alarm}"))
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

/// The first alarm that stands, as far as this node knows, and that was not excluded.
async fn alarm(handle: &Handle, query: &[(String, String)]) -> Option<&'static str> {
    let status = handle.status(KeyspaceId::DEFAULT).await.ok()?;
    let names = status.body.alarms.iter().map(|alarm| match alarm.kind {
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    });
    let is_excluded =
        |name: &str| query.iter().any(|(key, value)| key == "exclude" && value == name);
    let mut told = names.filter(|name| !is_excluded(name));
    told.next()
}
