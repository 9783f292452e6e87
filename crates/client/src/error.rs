use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::Status;
use types::Code;

use crate::code;

/// Why a request has no answer, or not the one hoped for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server refused or failed, for a reason callers can branch on.
    Server {
        /// The reason.
        code: Code,
        /// The server's words.
        message: String,
    },
    /// The server answered with an error whose words this client does not know.
    Status {
        /// The gRPC code.
        grpc: tonic::Code,
        /// The server's words.
        message: String,
    },
    /// A watch asked for revisions that are compacted away.
    Compacted {
        /// The oldest revision that can be watched.
        oldest: i64,
    },
    /// No endpoint could be connected to; nothing was sent.
    Unreachable {
        /// Endpoints, and what went wrong with each at last.
        tried: Vec<(String, String)>,
    },
    /// The connection broke after the request was sent: the outcome is unknown.
    Interrupted {
        /// The endpoint it was sent to.
        endpoint: String,
        /// What the transport said.
        reason: String,
    },
    /// [`crate::Options::timeout`] passed.
    TimedOut {
        /// The limit.
        after: Duration,
        /// Whether a write was under way, whose outcome is therefore unknown.
        outcome_unknown: bool,
        /// What earlier attempts ended with.
        last: Option<Box<Self>>,
    },
    /// An endpoint is not `host:port`, or a setting cannot be sent.
    Setting(String),
    /// An answer lacks what it must have.
    Malformed(&'static str),
}

impl Error {
    /// What callers branch on, as far as the server named it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Compacted { .. } => Some(Code::Compacted),
            _ => None,
        }
    }

    /// Whether a write may or may not have been carried out.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Server { code, .. } => matches!(
                code,
                Code::NoLeader
                    | Code::LeaderChanged
                    | Code::Timeout
                    | Code::ShuttingDown
                    | Code::RegionNotFound
                    | Code::SessionExpired
                    | Code::OutcomeNotKept
            ),
            Self::Status { grpc, .. } => {
                use tonic::Code as G;
                matches!(grpc, G::Unavailable | G::Unknown | G::DeadlineExceeded | G::Cancelled)
            }
            Self::Interrupted { .. } => true,
            Self::TimedOut { outcome_unknown, .. } => *outcome_unknown,
            _ => false,
        }
    }

    /// The status of a call to `endpoint`. A status that the transport made has a source; one that
    /// came over the wire has none.
    pub(crate) fn of_call(endpoint: &str, status: &Status) -> Self {
        let Some(source) = status.source() else { return Self::from_words(status) };
        let reason = innermost(source);
        let endpoint = endpoint.to_owned();
        if never_sent(source) {
            Self::Unreachable { tried: vec![(endpoint, reason)] }
        } else {
            Self::Interrupted { endpoint, reason }
        }
    }

    fn from_words(status: &Status) -> Self {
        let words = status.message();
        let detail = status.metadata().get("hiraeth-detail").and_then(|it| it.to_str().ok());
        let message = match detail {
            Some(detail) => format!("{words}: {detail}"),
            None => words.to_owned(),
        };
        match code::of(words) {
            Some(code) => Self::Server { code, message },
            None => Self::Status { grpc: status.code(), message },
        }
    }

    /// What a server says in an answer of a stream that goes on.
    pub(crate) fn of_answer(code: i32, words: &str) -> Self {
        Self::from_words(&Status::new(tonic::Code::from_i32(code), words))
    }

    /// The reason a server gives for ending a watch.
    pub(crate) fn of_reason(reason: &str) -> Self {
        // What has to do with users comes as Go prints a status: `rpc error: code = C desc = words`.
        let words = reason.split_once(" desc = ").map_or(reason, |(_, words)| words);
        Self::from_words(&Status::unknown(words))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::of_call("the server", &status)
    }
}

/// Whether a request certainly did not begin: there was no connection, or it ended first, as those of a
/// server that stops do.
fn never_sent(source: &(dyn std::error::Error + 'static)) -> bool {
    causes(source).any(|cause| {
        cause.is::<tonic::ConnectError>()
            // hyper says so of a request that it still had when its connection ended.
            || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
            || cause.downcast_ref::<h2::Error>().is_some_and(was_refused)
    })
}

/// Whether the server says that it did not begin with a request (RFC 9113, 8.7). All of ours have bodies:
/// what came after the last one that it answers may have left, but not as a whole.
fn was_refused(error: &h2::Error) -> bool {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => error.is_remote(),
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    }
}

/// The cause below all others says most to a person ("connection refused").
fn innermost(source: &(dyn std::error::Error + 'static)) -> String {
    causes(source).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(
    source: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let mut next = Some(source);
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { message, .. } => f.write_str(message),
            Self::Status { grpc, message } => write!(f, "{grpc:?}: {message}"),
            Self::Compacted { oldest } => write!(
                f,
                "the revisions asked for are compacted away; the oldest that can be watched is {oldest}"
            ),
            Self::Unreachable { tried } => {
                f.write_str("no server can be reached")?;
                for (at, (endpoint, reason)) in tried.iter().enumerate() {
                    let before = if at == 0 { ": " } else { "; " };
                    write!(f, "{before}{endpoint}: {reason}")?;
                }
                Ok(())
            }
            Self::Interrupted { endpoint, reason } => {
                write!(f, "the connection to {endpoint} broke: {reason}")
            }
            Self::TimedOut { after, last, .. } => {
                write!(f, "no answer within {after:?}")?;
                match last {
                    Some(last) => write!(f, "; before that: {last}"),
                    None => Ok(()),
                }
            }
            Self::Setting(what) => f.write_str(what),
            Self::Malformed(what) => write!(f, "an answer of the server makes no sense: {what}"),
        }
    }
}

impl std::error::Error for Error {}
