//! `/livez` and `/readyz`, all checks together or one by its path, as etcd 3.6 has them: `?verbose` tells
//! each, `?exclude=name` leaves one out.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use node::{Consistency, Handle, StateKind};
use types::{KeyspaceId, RegionId};

use crate::{error, ready};

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    /// No region of this node was set aside.
    DataCorruption,
    /// The node's own copy can be read.
    SerializableRead,
    /// There is a quorum.
    LinearizableRead,
    /// This node votes.
    NonLearner,
}

/// A process that is not live is killed and started anew. Nothing is asked of it that depends on
/// others, or a whole cluster would be restarted because some of it is gone.
const LIVE: [Check; 1] = [Check::SerializableRead];
/// A node that is not ready gets no clients.
const READY: [Check; 4] =
    [Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner];

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
            Self::NonLearner => "non_learner",
        }
    }

    /// Why it fails.
    async fn run(self, handle: &Handle) -> Result<(), String> {
        let read = async |consistency| {
            let read = ready::probe(handle, consistency).await;
            read.map_err(|fault| format!("range error: {}", error::message(&fault)))
        };
        match self {
            Self::DataCorruption => {
                let directory = handle.directory();
                let is_set_aside = |region: &RegionId| {
                    let state = handle.region_state(*region);
                    state.is_some_and(|state| state.kind == StateKind::Broken)
                };
                match directory.regions.keys().copied().find(is_set_aside) {
                    None => Ok(()),
                    Some(region) => Err(format!("alarm activated: CORRUPT (region {region})")),
                }
            }
            Self::SerializableRead => read(Consistency::Stale).await,
            Self::LinearizableRead => read(Consistency::Linearizable).await,
            Self::NonLearner => match handle.status(KeyspaceId::DEFAULT).await {
                Ok(status) if status.body.is_learner => Err("not supported for learner".to_owned()),
                Ok(_) => Ok(()),
                Err(fault) => Err(error::message(&fault)),
            },
        }
    }
}

pub(super) async fn live(State(handle): State<Handle>, RawQuery(query): RawQuery) -> Response {
    answer(&handle, &LIVE, query.as_deref()).await
}

pub(super) async fn ready(State(handle): State<Handle>, RawQuery(query): RawQuery) -> Response {
    answer(&handle, &READY, query.as_deref()).await
}

pub(super) async fn one_of_live(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    one(&handle, &LIVE, &name, query.as_deref()).await
}

pub(super) async fn one_of_ready(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    one(&handle, &READY, &name, query.as_deref()).await
}

async fn one(handle: &Handle, checks: &[Check], name: &str, query: Option<&str>) -> Response {
    match checks.iter().find(|check| check.name() == name) {
        Some(check) => answer(handle, &[*check], query).await,
        None => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}

/// The values that a query gives `name`.
fn values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = query.unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

async fn answer(handle: &Handle, checks: &[Check], query: Option<&str>) -> Response {
    let (mut told, mut status) = (String::new(), StatusCode::OK);
    for check in checks {
        let name = check.name();
        if values(query, "exclude").any(|excluded| excluded == name) {
            continue;
        }
        match check.run(handle).await {
            Ok(()) => told += &format!("[+]{name} ok\n"),
            Err(reason) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                told += &format!("[-]{name} failed: {reason}\n");
            }
        }
    }
    let body = match (status, values(query, "verbose").next()) {
        (StatusCode::OK, None) => "ok\n".to_owned(),
        (StatusCode::OK, Some(_)) => told + "ok\n",
        // etcd's server ends an error with a line of its own.
        _ => told + "\n",
    };
    let headers =
        [(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body).into_response()
}
