//! What goes wrong, as Consul's clients are told: a status and a line of text.

use hyper::StatusCode;
use types::{Code, Fault};

use super::filter::FilterError;

/// A request that is not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// The methods that would do, where this one does not.
    pub(super) allow: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: None }
    }

    /// What is said.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// What clients may try again (Go's take every 500 for that), and what Consul answers so.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    pub(super) fn busy(text: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
    }

    pub(super) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    pub(super) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// Somebody who may not.
    pub(super) fn denied(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(super) fn method(method: &str, allow: &'static str) -> Self {
        let text = format!("method {method} not allowed");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, text) }
    }
}

/// Our words in Consul's tongue. Clients match on the first words of some.
impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let detail = if fault.detail.is_empty() {
            crate::error::message(&fault)
        } else {
            fault.detail.clone()
        };
        let status = match fault.code {
            Code::InvalidArgument
            | Code::EmptyKey
            | Code::TooManyOperations
            | Code::DuplicateKey => StatusCode::BAD_REQUEST,
            Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooManyRequests | Code::LimitReached => StatusCode::TOO_MANY_REQUESTS,
            // A token that nobody has.
            Code::InvalidAuthToken if !fault.detail.is_empty() => StatusCode::FORBIDDEN,
            // Some bring a certificate, which says nothing here of who asks.
            Code::UserEmpty => {
                let hint = "this cluster knows users, and who asks is said by a token (X-Consul-Token): \
                            POST /v3/auth/authenticate answers with one";
                let text = format!("Permission denied: {detail}; {hint}");
                return Self::new(StatusCode::FORBIDDEN, text);
            }
            Code::PermissionDenied | Code::InvalidAuthToken => {
                // What a token lacks; of users no more is told than elsewhere.
                return Self::new(StatusCode::FORBIDDEN, format!("Permission denied: {detail}"));
            }
            Code::AuthNotEnabled => return Self::unauthorized("ACL support disabled"),
            Code::CheckUnknown | Code::InstanceUnknown => StatusCode::NOT_FOUND,
            Code::NoLeader => return Self::failed(with("No cluster leader", &fault.detail)),
            Code::Timeout | Code::LeaderChanged => {
                return Self::failed(with("the outcome is unknown: rpc error", &fault.detail));
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, detail)
    }
}

fn with(words: &str, detail: &str) -> String {
    if detail.is_empty() { words.to_owned() } else { format!("{words}: {detail}") }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        Self::bad(format!("Failed to create boolean expression evaluator: {error}"))
    }
}
