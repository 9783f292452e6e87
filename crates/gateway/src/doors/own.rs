//! What a gateway answers itself: how it is, and what it is.

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tonic::body::Body;

use crate::gateway::Shared;
use crate::metrics;
use crate::passing::{self, Kind, Order, Outgoing, is_grpc};
use crate::words::plain;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// What Prometheus wants to read.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer, if the request is for the gateway itself.
pub(crate) async fn own<B>(shared: &Shared, request: &Request<B>) -> Option<Response<Body>> {
    let path = request.uri().path();
    if is_grpc(request) || ![Method::GET, Method::HEAD].contains(request.method()) {
        return None;
    }
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let answer = match first {
        "" => plain(StatusCode::OK, TEXT, "Hiraeth: a gateway\n".to_owned()),
        // It lives while it answers.
        "livez" => plain(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "readyz" if shared.members.any_ready() => plain(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, trouble(shared) + "\n"),
        "health" if shared.members.any_ready() => {
            let told = json!({ "health": "true", "reason": "" });
            plain(StatusCode::OK, JSON, told.to_string())
        }
        "health" => {
            let told = json!({ "health": "false", "reason": trouble(shared) });
            plain(StatusCode::SERVICE_UNAVAILABLE, JSON, told.to_string())
        }
        "metrics" => plain(StatusCode::OK, EXPOSITION, metrics::exposition(shared)),
        "version" => version(shared).await,
        _ => return None,
    };
    Some(answer)
}

fn trouble(shared: &Shared) -> String {
    shared.members.unreached()
}

/// What a member says it is, which is what clients want to know, and what passes it on.
async fn version(shared: &Shared) -> Response<Body> {
    let asked = async {
        let (head, ()) = Request::get("/version").body(()).ok()?.into_parts();
        let order = Order { kind: Kind::Unary, is_grpc: false, is_read: true, client: 0 };
        let body = Outgoing::whole(bytes::Bytes::new());
        let answer = passing::forward(&shared.members, &order, head, body).await.ok()?;
        let body = http_body_util::Limited::new(answer.into_body(), 4_096);
        let body = body.collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    };
    let Some(Value::Object(mut told)) = asked.await else {
        let text = shared.members.unreached();
        return plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, text + "\n");
    };
    told.insert("gateway".to_owned(), env!("CARGO_PKG_VERSION").into());
    plain(StatusCode::OK, JSON, Value::Object(told).to_string())
}
