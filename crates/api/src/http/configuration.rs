//! `/api/v1/config/NAMESPACE/GROUP/NAME`: a configuration for a person with curl, and for scripts, on any
//! node. It goes through the same service as every client's requests, in the caller's name.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use configuration::{ContentType, limits};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::config_server::Config;
use serde_json::json;
use tonic::{Extensions, Request, Status};

use crate::configuration::{ConfigService, content_type};
use crate::{error, gateway};

type Place = Path<(String, String, String)>;
type Parameters = Query<Vec<(String, String)>>;

/// The version of the answer, and whether it is that of a gray release.
const VERSION: HeaderName = HeaderName::from_static("hiraeth-config-version");
const GRAY: HeaderName = HeaderName::from_static("hiraeth-config-gray");
/// The revision at which the configuration was changed last.
const REVISION: HeaderName = HeaderName::from_static("hiraeth-revision");

pub(super) fn router(configurations: ConfigService) -> Router {
    Router::new()
        .route("/api/v1/config/{namespace}/{group}/{name}", get(read).put(release))
        .layer(DefaultBodyLimit::max(limits::CONTENT_BYTES))
        .with_state(configurations)
}

fn named(Path((namespace, group, name)): Place) -> Option<pb::ConfigName> {
    Some(pb::ConfigName { namespace, group, name })
}

fn request<T>(headers: &HeaderMap, message: T) -> Request<T> {
    Request::from_parts(gateway::metadata(headers), Extensions::new(), message)
}

fn refuse(why: &str) -> Status {
    Status::invalid_argument(format!("hiraeth: invalid request: {why}"))
}

/// Errors look like the gateway's, with the HTTP status of their own code.
fn answered(answer: Result<Response, Status>) -> Response {
    answer.unwrap_or_else(|status| {
        let mut response = gateway::error_answer(&status).into_response();
        let own = error::http_of(&status).and_then(|http| StatusCode::from_u16(http).ok());
        *response.status_mut() = own.unwrap_or(response.status());
        response
    })
}

/// The last value of a parameter.
fn said<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// `?id=ID&label=KEY=VALUE&stale`.
async fn read(
    State(configurations): State<ConfigService>,
    place: Place,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let read = async {
        let labels = parameters.iter().filter(|(name, _)| name == "label").map(|(_, label)| {
            let pair = label.split_once('=').map(|(label, value)| (label.into(), value.into()));
            pair.ok_or_else(|| refuse("`label` is to be KEY=VALUE"))
        });
        let client = pb::ConfigClient {
            id: said(&parameters, "id").unwrap_or_default().to_owned(),
            labels: labels.collect::<Result<_, Status>>()?,
        };
        let stale = said(&parameters, "stale").is_some_and(|stale| stale != "false");
        let asked = pb::GetConfigRequest { name: named(place), client: Some(client), stale };
        let answer = configurations.get(request(&headers, asked)).await?.into_inner();
        let version = answer.version.unwrap_or_default();
        let kind =
            match content_type(version.content_type).map_err(|fault| error::status(&fault))? {
                ContentType::Text | ContentType::Properties => "text/plain; charset=utf-8",
                ContentType::Json => "application/json",
                ContentType::Yaml => "application/yaml",
                ContentType::Toml => "application/toml",
            };
        let tag = format!(
            "\"{}\"",
            version.digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        );
        let mut response = Response::new(Body::from(answer.content));
        let told = response.headers_mut();
        told.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        // A content is never a page, whatever it looks like.
        told.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        told.insert(VERSION, HeaderValue::from(version.version));
        told.insert(REVISION, HeaderValue::from(answer.revision));
        told.insert(GRAY, HeaderValue::from_static(if answer.gray { "true" } else { "false" }));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            told.insert(ETAG, tag);
        }
        Ok(response)
    };
    answered(read.await)
}

/// `?type=TYPE&comment=WORDS&expected=VERSION`, and the content as the body.
async fn release(
    State(configurations): State<ConfigService>,
    place: Place,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let release = async {
        let kind = said(&parameters, "type").unwrap_or("text").to_uppercase();
        let kind = pb::ConfigContentType::from_str_name(&kind);
        let kind = kind.ok_or_else(|| refuse("`type` is text, json, yaml, toml or properties"))?;
        let expected = said(&parameters, "expected").map(str::parse).transpose();
        let expected = expected.map_err(|_| refuse("`expected` is the number of a version"))?;
        let comment = said(&parameters, "comment").unwrap_or_default().to_owned();
        let content = pb::ConfigContent { content: body, content_type: kind.into(), comment };
        let asked =
            pb::ReleaseRequest { name: named(place), content: Some(content), expected, keep: None };
        let answer = configurations.release(request(&headers, asked)).await?.into_inner();
        let version = answer.version.map_or(0, |version| version.version);
        Ok(Json(json!({
            "version": version, "unchanged": answer.unchanged, "revision": answer.revision,
        }))
        .into_response())
    };
    answered(release.await)
}
