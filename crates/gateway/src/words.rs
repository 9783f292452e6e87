//! What the gateway says itself, where no member has said anything.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tonic::Status;
use tonic::body::Body;

use crate::passing::{Failure, Incomplete, is_grpc};

/// etcd's words for an answer that may come no more: its clients know that they cannot know.
pub(crate) const LOST: &str = "etcdserver: request timed out, possibly due to connection lost";

/// A stream whose member went.
pub(crate) fn broken(member: &Authority) -> Status {
    Status::unavailable(format!("hiraeth: the connection to the member {member} was lost"))
}

/// A status as the end of a stream.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Both are plain text.
    let _ = status.add_header(&mut trailers);
    trailers
}

/// Why a request has no answer, as its client understands it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
}

impl Refusal {
    pub(crate) fn new(status: Status, http: StatusCode) -> Self {
        Self { status, http }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreached(why) => {
                Self::new(Status::unavailable(why), StatusCode::SERVICE_UNAVAILABLE)
            }
            Failure::Lost(member) => {
                tracing::debug!(%member, "an answer was lost");
                Self::new(Status::unavailable(LOST), StatusCode::GATEWAY_TIMEOUT)
            }
        }
    }
}

impl From<Incomplete> for Refusal {
    fn from(incomplete: Incomplete) -> Self {
        match incomplete {
            Incomplete::Gone => {
                let status = Status::cancelled("hiraeth: the request was not sent to its end");
                Self::new(status, StatusCode::BAD_REQUEST)
            }
            Incomplete::Slow => {
                let status =
                    Status::deadline_exceeded("hiraeth: the request takes too long to come");
                Self::new(status, StatusCode::REQUEST_TIMEOUT)
            }
        }
    }
}

/// What a client expects an error to look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tongue {
    Grpc,
    /// etcd's JSON.
    Json,
    /// Consul's API, and people.
    Text,
}

impl Tongue {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        match () {
            () if is_grpc(request) => Self::Grpc,
            () if path.starts_with("/v3/") || path.starts_with("/api/") => Self::Json,
            () => Self::Text,
        }
    }

    /// The refusal as an answer.
    pub(crate) fn tell(self, refusal: &Refusal) -> Response<Body> {
        let Refusal { status, http } = refusal;
        let (kind, body) = match self {
            Self::Grpc => return status.clone().into_http(),
            Self::Json => {
                let (code, words) = (i32::from(status.code()), status.message());
                let body = json!({ "error": words, "code": code, "message": words });
                ("application/json", body.to_string())
            }
            Self::Text => ("text/plain; charset=utf-8", status.message().to_owned()),
        };
        plain(*http, kind, body)
    }
}

/// An answer of the gateway's own.
pub(crate) fn plain(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::new(http_body_util::Full::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
