//! Answers and errors as etcd's gateway gives them.

use axum::body::Body;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use prost_reflect::DynamicMessage;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::json;

/// The HTTP status that stands for a gRPC code.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn with(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Words alone, for what is no method.
pub(super) fn plain(status: StatusCode) -> Response<Body> {
    let words = status.canonical_reason().unwrap_or_default();
    let mut response = with(status, Body::from(format!("{words}\n")));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

/// An error in place of an answer.
pub(crate) fn error(status: &Status) -> Response<Body> {
    let (code, words) = (status.code(), json::string(status.message()));
    let body = format!(r#"{{"error":{words},"code":{},"message":{words}}}"#, i32::from(code));
    let mut response = with(http_status(code), Body::from(body));
    tell(status.metadata(), response.headers_mut());
    response
}

/// One message.
pub(super) fn whole(answer: tonic::Response<DynamicMessage>) -> Response<Body> {
    let (metadata, message, _) = answer.into_parts();
    let mut text = Vec::new();
    match json::write(&message, &mut text) {
        Ok(()) => {
            let mut response = with(StatusCode::OK, Body::from(text));
            tell(&metadata, response.headers_mut());
            response
        }
        Err(status) => error(&status),
    }
}

/// A stream's lines, as they come.
pub(super) fn lines(status: StatusCode, body: Body) -> Response<Body> {
    with(status, body)
}

/// A message of a stream.
pub(super) fn result_line(message: &DynamicMessage) -> Result<Bytes, Status> {
    let mut text = br#"{"result":"#.to_vec();
    json::write(message, &mut text)?;
    text.extend_from_slice(b"}\n");
    Ok(text.into())
}

/// The last word of a stream that fails.
pub(super) fn error_line(status: &Status) -> Bytes {
    let http = http_status(status.code());
    let words = json::string(status.message());
    let reason = json::string(http.canonical_reason().unwrap_or_default());
    let (grpc, http) = (i32::from(status.code()), http.as_u16());
    format!(
        "{{\"error\":{{\"grpc_code\":{grpc},\"http_code\":{http},\"message\":{words},\
         \"http_status\":{reason}}}}}\n"
    )
    .into()
}

/// Metadata go out as headers with this before their names.
fn tell(metadata: &MetadataMap, headers: &mut HeaderMap) {
    for (name, value) in metadata.as_ref() {
        // What tonic adds is the transport's own.
        if matches!(name.as_str(), "content-type" | "grpc-status" | "grpc-message" | "date") {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(format!("grpc-metadata-{name}")) {
            headers.insert(name, value.clone());
        }
    }
}
