//! `/api/v1/set`, `/api/v1/get`, `/api/maintain/stats`: keys and values for a person with curl, on any
//! node. They go through the same services as every client's requests, in the caller's name.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use node::Handle;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_server::Kv;
use proto::hiraeth::v1 as native;
use proto::hiraeth::v1::node_server::Node;
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};
use types::RegionId;

use crate::etcd::KvService;
use crate::gateway;
use crate::native::NodeService;

type Parameters = BTreeMap<String, String>;

/// The revision of the answer, where its body is the value alone.
const REVISION: &str = "hiraeth-revision";

pub(super) fn router() -> Router<Handle> {
    Router::new()
        .route("/api/v1/set", post(set).put(set))
        .route("/api/v1/get", get(read))
        .route("/api/maintain/stats", get(stats))
        .layer(DefaultBodyLimit::max(gateway::JSON_BYTES))
}

/// `message` as the caller's request; `?keyspace=` is as good as the header.
fn request<T>(
    headers: &HeaderMap,
    parameters: &Parameters,
    message: T,
) -> Result<Request<T>, Status> {
    let mut metadata: MetadataMap = gateway::metadata(headers);
    if let Some(keyspace) = parameters.get("keyspace") {
        let name = keyspace.parse();
        let name = name.map_err(|_| refuse("`keyspace` is not plain text"))?;
        metadata.insert(crate::metadata::KEYSPACE, name);
    }
    Ok(Request::from_parts(metadata, Extensions::new(), message))
}

fn refuse(why: &str) -> Status {
    Status::invalid_argument(format!("hiraeth: invalid request: {why}"))
}

fn answered(answer: Result<Response, Status>) -> Response {
    answer.unwrap_or_else(|status| gateway::error_answer(&status).into_response())
}

/// A JSON object, or nothing.
fn object(body: &Bytes) -> Result<Value, Status> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    let value = serde_json::from_slice(body);
    value.map_err(|error| refuse(&format!("the body is no JSON: {error}")))
}

fn text(object: &Value, name: &str) -> Result<Option<Bytes>, Status> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Bytes::from(text.clone()))),
        Some(_) => Err(refuse(&format!("`{name}` is to be a string"))),
    }
}

async fn set(
    State(handle): State<Handle>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let set = async {
        let body = object(&body)?;
        let key = text(&body, "key")?.ok_or_else(|| refuse("`key` is missing"))?;
        let value = text(&body, "value")?.ok_or_else(|| refuse("`value` is missing"))?;
        let put = pb::PutRequest { key, value, ..pb::PutRequest::default() };
        let put = request(&headers, &parameters, put)?;
        let answer = KvService::new(handle).put(put).await?.into_inner();
        let revision = answer.header.map_or(0, |header| header.revision);
        Ok(Json(json!({ "revision": revision })).into_response())
    };
    answered(set.await)
}

async fn read(
    State(handle): State<Handle>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = async {
        let key = match parameters.get("key") {
            Some(key) => Some(Bytes::from(key.clone())),
            None => text(&object(&body)?, "key")?,
        };
        let key = key.ok_or_else(|| refuse("`key` is missing"))?;
        let serializable = parameters.get("stale").is_some_and(|stale| stale != "false");
        let range = pb::RangeRequest { key, serializable, ..pb::RangeRequest::default() };
        let range = request(&headers, &parameters, range)?;
        let (metadata, answer, _) = KvService::new(handle).range(range).await?.into_parts();
        let revision = answer.header.map_or(0, |header| header.revision);
        let kv = answer.kvs.into_iter().next();
        let kv = kv.ok_or_else(|| Status::not_found("hiraeth: there is no such key"))?;
        let wants_json = headers.get_all(ACCEPT).iter().any(|it| it == "application/json");
        let mut response = if wants_json {
            let text = String::from_utf8_lossy(&kv.value);
            Json(json!({
                "key": String::from_utf8_lossy(&kv.key),
                "value": text,
                "create_revision": kv.create_revision,
                "mod_revision": kv.mod_revision,
                "version": kv.version,
                "lease": kv.lease,
                "revision": revision,
            }))
            .into_response()
        } else {
            value(kv.value)
        };
        response.headers_mut().insert(REVISION, HeaderValue::from(revision));
        // How old a stale answer is.
        for (name, value) in metadata.into_headers() {
            if let Some(name) = name {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    };
    answered(read.await)
}

/// The value alone, as it is.
fn value(value: Bytes) -> Response {
    let kind = match std::str::from_utf8(&value) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    ([(CONTENT_TYPE, kind)], Body::from(value)).into_response()
}

async fn stats(
    State(handle): State<Handle>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let stats = async {
        let region = match parameters.get("region").map(|region| region.parse()) {
            None => 0,
            Some(Ok(region)) => region,
            Some(Err(_)) => return Err(refuse("`region` is to be a number")),
        };
        let keyspace = parameters.get("keyspace").cloned().unwrap_or_default();
        let one = region != 0 || !keyspace.is_empty();
        let asked = native::StatsRequest { region, keyspace };
        let asked = request(&headers, &Parameters::new(), asked)?;
        let answer = NodeService::new(handle.clone()).stats(asked).await?.into_inner();
        let directory = handle.directory();
        let told = |region: &native::RegionStats| {
            let record = directory.regions.get(&RegionId(region.region));
            group(answer.node, region, record.map_or(0, |record| record.peers.len()))
        };
        let mut groups: Vec<Value> = answer.regions.iter().map(told).collect();
        Ok(match groups.pop() {
            Some(group) if one && groups.is_empty() => Json(group).into_response(),
            last => {
                groups.extend(last);
                Json(json!({ "node": answer.node, "groups": groups })).into_response()
            }
        })
    };
    answered(stats.await)
}

/// A Raft group under the names that users of other Raft libraries know, with what else there is.
fn group(node: u64, region: &native::RegionStats, replicas: usize) -> Value {
    let configuration: Vec<Value> = region
        .peers
        .iter()
        .map(|peer| {
            json!({
                "node": peer.node,
                "suffrage": if peer.learner { "Nonvoter" } else { "Voter" },
                "match_index": peer.matched,
                "next_index": peer.next,
                "flow": peer.flow,
                "active": peer.active,
            })
        })
        .collect();
    let state = match region.role.as_str() {
        "leader" => "Leader",
        "candidate" | "pre-candidate" => "Candidate",
        "learner" => "Learner",
        "" => "Broken",
        _ => "Follower",
    };
    let last_contact = match region.last_contact_ms {
        _ if state == "Leader" => "0".to_owned(),
        Some(millis) => format!("{millis}ms"),
        None => "never".to_owned(),
    };
    json!({
        "node": node,
        "region": region.region,
        "keyspace": region.keyspace_name,
        "state": state,
        "can": region.state,
        "term": region.term,
        "leader": region.leader,
        "first_log_index": region.first,
        "last_log_index": region.last,
        "persisted_index": region.persisted,
        "commit_index": region.commit,
        "applied_index": region.applied,
        "fsm_pending": region.unapplied_entries,
        "last_contact": last_contact,
        "num_peers": replicas.saturating_sub(1),
        "latest_configuration": configuration,
        "pending_proposals": region.pending_proposals,
        "pending_reads": region.pending_reads,
        "hibernating": region.hibernating,
        "memory_bytes": region.memory_bytes,
    })
}
