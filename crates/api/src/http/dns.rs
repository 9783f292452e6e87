//! `/dns-query`: one message of DNS, as RFC 8484 sends it, for gateways, which have no copy to answer from.
//! Unlike DNS's own port this one knows who asks.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use node::Handle;
use state::auth::Demand;
use state::registry::MACHINE;
use types::{Fault, KeyRange, KeyspaceId};

use crate::audit::Bearer;
use crate::dns::{self, Zone};
use crate::{error, gateway, metadata};

/// The type of a message.
const MESSAGE: &str = "application/dns-message";
/// Bytes of a query.
const QUERY_BYTES: usize = 4_096;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/dns-query", post(query)).layer(DefaultBodyLimit::max(QUERY_BYTES))
}

/// `domain` and `ttl` are the zone, as a node's own settings are; `udp` says that the answer is to fit there.
async fn query(
    State(handle): State<Handle>,
    Query(parameters): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    packet: Bytes,
) -> Response {
    let sender = metadata::bearer(&headers);
    if let Err(fault) = permit(&handle, &sender) {
        return gateway::error_answer(&error::status(&fault)).into_response();
    }
    let refuse = |why: &str| (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response();
    if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != MESSAGE) {
        return refuse("the body is to be of the type application/dns-message");
    }
    let domain = parameters.get("domain").map_or("consul", String::as_str);
    let Ok(ttl) = parameters.get("ttl").map_or(Ok(0), |ttl| ttl.parse()) else {
        return refuse("`ttl` is a number of seconds");
    };
    let zone = match Zone::new(domain, handle.datacenter(), ttl) {
        Ok(zone) => zone,
        Err(error) => return refuse(&error.to_string()),
    };
    let over = if parameters.contains_key("udp") { dns::Over::Udp } else { dns::Over::Tcp };
    match dns::answer(handle, sender, zone, &packet, over).await {
        Some(answer) => ([(CONTENT_TYPE, MESSAGE)], answer).into_response(),
        None => refuse("the body is no query"),
    }
}

/// Names are read by who may read all of the registry, by what this node knows: they are to be found while
/// there is no leader, too.
fn permit(handle: &Handle, sender: &Bearer) -> Result<(), Fault> {
    if handle.auth_is_off() {
        return Ok(());
    }
    let every_key = KeyRange { start: Bytes::from_static(&[0]), end: None };
    match handle.keyspace(Some(MACHINE)) {
        Ok(keyspace) => {
            // What a token does not show is left out of the answer.
            let (all, anyone) = (Demand::Range(&every_key), Demand::Anyone);
            let what = Demand::ByWhom { user: &all, token: &anyone };
            handle.caller(keyspace, sender).permit_locally(what)
        }
        // Nothing is there yet that anybody could be given rights to.
        Err(_) => handle.caller(KeyspaceId::DEFAULT, sender).permit_locally(Demand::Root),
    }
}
