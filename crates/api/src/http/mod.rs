//! What is served over plain HTTP: health, version, metrics, and a key-value API for people with curl.

mod checks;
mod configuration;
mod dns;
mod health;
mod simple;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use node::Handle;
use serde_json::json;

use crate::configuration::ConfigService;
use crate::etcd::{CLUSTER_VERSION, VERSION};

/// The routes over the node behind `handle`.
pub(crate) fn router(handle: Handle, configurations: ConfigService) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/health", get(health::health))
        .route("/livez", get(checks::live))
        .route("/livez/{check}", get(checks::one_of_live))
        .route("/readyz", get(checks::ready))
        .route("/readyz/{check}", get(checks::one_of_ready))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .merge(simple::router())
        .merge(dns::router())
        .with_state(handle)
        .merge(configuration::router(configurations))
}

/// For people with a browser, and for checks that only want an answer (Consul's agent has one here).
async fn root() -> &'static str {
    "Hiraeth: etcd's API, Consul's under /v1/, /metrics, /health\n"
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
