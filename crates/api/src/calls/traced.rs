//! The span of a client's call, where that is traced. What is told of it are names of ours and numbers:
//! nothing that a client made up, for there may be keys and secrets in it.

use hyper::StatusCode;
use spans::{Active, TRACEPARENT, Text, Trace, Tracer};
use tonic::Code;

use super::table::METHODS;
use crate::metadata::Said;
use crate::{consul, gateway, services};

/// Codes that say that the server, and not the client, is at fault, as OpenTelemetry has it.
const FAILURES: [Code; 6] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];

/// What stands for what only its client knows.
const OTHER: &str = "_OTHER";

/// A call under way.
pub(crate) struct Traced {
    span: Box<Active>,
    is_grpc: bool,
}

impl Traced {
    /// A call of gRPC, if it is to be traced.
    pub(crate) fn grpc(tracer: &Tracer, head: &impl Said, path: &str) -> Option<Self> {
        let name = || {
            let (service, method) = names(path);
            format!("{service}/{method}")
        };
        let mut span = tracer.request(head.said(TRACEPARENT), name)?;
        let (service, method) = names(path);
        span.text("rpc.system", "grpc");
        span.text("rpc.service", service);
        span.text("rpc.method", method);
        Some(Self { span, is_grpc: true })
    }

    /// Any other request.
    pub(crate) fn http(
        tracer: &Tracer,
        head: &impl Said,
        method: &hyper::Method,
        path: &str,
    ) -> Option<Self> {
        const KNOWN: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"];
        let known = || KNOWN.into_iter().find(|known| method == known).unwrap_or(OTHER);
        let name = || match route(method.as_str(), path) {
            Some(route) => format!("{} {route}", known()),
            None => known().to_owned(),
        };
        let mut span = tracer.request(head.said(TRACEPARENT), name)?;
        span.text("http.request.method", known());
        if let Some(route) = route(method.as_str(), path) {
            span.text("http.route", route);
        }
        Some(Self { span, is_grpc: false })
    }

    /// Under which the work for it is.
    pub(crate) fn trace(&self) -> &Trace {
        self.span.trace()
    }

    pub(super) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    /// It ended so; for what is not of gRPC, that is before there was an answer.
    pub(super) fn ended(mut self, code: Code) {
        if !self.is_grpc {
            return self.span.fail("given up");
        }
        self.span.number("rpc.grpc.status_code", code as i32);
        if FAILURES.contains(&code) {
            self.span.fail(format!("{code:?}"));
        }
    }

    /// It was answered over HTTP; what follows the head of the answer is not waited for.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.span.number("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.span.fail(status.canonical_reason().unwrap_or_default());
        }
    }
}

/// Service and method, each as far as it is known here.
fn names(path: &str) -> (&'static str, Text) {
    if let Some(method) = METHODS.iter().find(|method| method.path() == path) {
        return (method.service, method.name.into());
    }
    let mut parts = path.split('/').skip(1);
    let (service, method) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(service) = services::ALL.into_iter().find(|known| *known == service) else {
        return (OTHER, OTHER.into());
    };
    let is_known = gateway::Route::of(service, method).is_some();
    (service, if is_known { method.to_owned().into() } else { OTHER.into() })
}

/// The pattern that a path is of, where there are few of them.
fn route(method: &str, path: &str) -> Option<String> {
    match path.split('/').nth(1)? {
        "v1" => {
            let (found, has_more) = consul::route(method, path.strip_prefix("/v1/")?)?;
            Some(format!("/v1/{found}{}", if has_more { "*" } else { "" }))
        }
        "v3" => gateway::is_route(path).then(|| path.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{names, route};

    #[test]
    fn what_clients_make_up_is_in_no_name() {
        for (path, service, method) in [
            ("/etcdserverpb.KV/Put", "etcdserverpb.KV", "Put"),
            ("/hiraeth.v1.Keyspaces/Create", "hiraeth.v1.Keyspaces", "Create"),
            ("/etcdserverpb.KV/secret", "etcdserverpb.KV", "_OTHER"),
            ("/secret/Put", "_OTHER", "_OTHER"),
            ("", "_OTHER", "_OTHER"),
        ] {
            assert_eq!(names(path), (service, method.into()), "{path}");
        }
        let route = |method, path| route(method, path).unwrap_or_default();
        assert_eq!(route("PUT", "/v1/kv/secret/key"), "/v1/kv/*");
        assert_eq!(route("GET", "/v1/agent/self"), "/v1/agent/self");
        assert_eq!(route("POST", "/v3/kv/put"), "/v3/kv/put");
        for path in ["/v1/secret", "/v3/secret", "/ui/secret", "/secret", ""] {
            assert_eq!(route("GET", path), "", "{path}");
        }
    }
}
