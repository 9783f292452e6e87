//! Answers as Consul's clients expect them.

use axum::body::Body;
use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use node::Age;
use serde::Serialize;
use types::Revision;

use super::parameters::Freshness;
use super::problem::Problem;

pub(super) type Outcome = Result<Answer, Problem>;

/// What stands beside every read: how new it is, and whether somebody leads. Clients refuse answers
/// that lack one of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    /// Never 0: a client would not wait with that.
    pub(super) index: Revision,
    pub(super) age: Option<Age>,
    pub(super) known_leader: bool,
    pub(super) freshness: Freshness,
    /// Something was left out that whoever asks may not see.
    pub(super) filtered: bool,
}

/// What a request is answered with.
#[derive(Default)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What is sent in its place, as it comes.
    stream: Option<Body>,
}

impl Answer {
    fn with(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { status, headers, body: body.into(), stream: None }
    }

    /// Nothing to say.
    pub(super) fn done() -> Self {
        Self::default()
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::with(StatusCode::OK, "text/plain; charset=utf-8", text.into())
    }

    /// A body that is not over when the answer begins.
    pub(super) fn streamed(kind: &'static str, body: Body) -> Self {
        let answer = Self::with(StatusCode::OK, kind, Bytes::new());
        Self { stream: Some(body), ..answer }
    }

    pub(super) fn bytes(kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self::with(StatusCode::OK, kind, body)
    }

    pub(super) fn json(body: &impl Serialize) -> Self {
        // Texts, numbers and maps of them: nothing that JSON cannot say.
        Self::with(StatusCode::OK, "application/json", serde_json::to_vec(body).unwrap_or_default())
    }

    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Says beside the answer how new it is.
    pub(super) fn at(self, meta: Meta) -> Self {
        let index = meta.index.get().max(1).to_string();
        let contact = match meta.age {
            None => "0".to_owned(),
            Some(Age::Known(age)) => age.as_millis().to_string(),
            // Longer ago than anybody tolerates.
            Some(Age::Unknown) => u32::MAX.to_string(),
        };
        let leader = if meta.known_leader { "true" } else { "false" };
        let freshness = match meta.freshness {
            Freshness::Default => "leader",
            Freshness::Consistent => "consistent",
            Freshness::Stale => "stale",
        };
        let answer = self
            .header("x-consul-index", &index)
            .header("x-consul-knownleader", leader)
            .header("x-consul-lastcontact", &contact)
            .header("x-consul-effective-consistency", freshness);
        if meta.filtered {
            answer.header("x-consul-results-filtered-by-acls", "true")
        } else {
            answer
        }
    }

    /// Says beside what is read what becomes of those that no rule speaks of.
    pub(super) fn under(self, allows_by_default: bool) -> Self {
        if !self.headers.contains_key("x-consul-index") {
            return self;
        }
        let policy = if allows_by_default { "allow" } else { "deny" };
        self.header("x-consul-default-acl-policy", policy)
    }

    /// Says that it was answered from what this node has, which is as old as the last word of the leader.
    pub(super) fn cached(self) -> Self {
        let age = self.headers.get("x-consul-lastcontact").and_then(|it| it.to_str().ok());
        let seconds = age.and_then(|millis| millis.parse::<u64>().ok()).unwrap_or(0) / 1_000;
        self.header("x-cache", "HIT").header("age", &seconds.to_string())
    }

    /// What is told to who asked for the head only.
    pub(super) fn without_body(self) -> Self {
        Self { body: Bytes::new(), stream: None, ..self }
    }

    pub(super) fn pretty(mut self) -> Self {
        let is_json = self.headers.get(CONTENT_TYPE).is_some_and(|it| it == "application/json");
        if is_json
            && let Ok(value) = serde_json::from_slice::<serde_json::Value>(&self.body)
            && let Ok(body) = serde_json::to_vec_pretty(&value)
        {
            self.body = body.into();
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = self.stream.unwrap_or_else(|| Body::from(self.body));
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let mut answer = Self::text(problem.text).status(problem.status);
        if let Some(allow) = problem.allow {
            answer.headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}
