//! What is written down at the doors: who ran the cluster, and how that ended. Refusals and changes of
//! rights are written down where they are decided (`node::Caller`); from where somebody asks goes there
//! with the request.

use hyper::header::HeaderValue;
use hyper::http::response::Parts;
use hyper::{HeaderMap, Request};
use node::audit::{OK, UNKNOWN};
use node::{Credentials, Handle};

use crate::guests::Guest;
use crate::metadata::{self, ORIGIN};

/// What of gRPC is about the cluster, and not only read. What sets alarms says so by itself: to list them is
/// the same method.
const MANAGEMENT: &[&str] = &[
    "/etcdserverpb.Cluster/MemberAdd",
    "/etcdserverpb.Cluster/MemberPromote",
    "/etcdserverpb.Cluster/MemberRemove",
    "/etcdserverpb.Cluster/MemberUpdate",
    "/etcdserverpb.KV/Compact",
    "/etcdserverpb.Maintenance/Defragment",
    "/etcdserverpb.Maintenance/Downgrade",
    "/etcdserverpb.Maintenance/MoveLeader",
    "/etcdserverpb.Maintenance/Snapshot",
    "/hiraeth.v1.Keyspaces/Create",
    "/hiraeth.v1.Keyspaces/Split",
    "/hiraeth.v1.Node/Backup",
    "/hiraeth.v1.Node/Drain",
    "/hiraeth.v1.Node/Remove",
    "/hiraeth.v1.Node/Replace",
];

/// Who sent a request, and from where.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) token: Option<Box<str>>,
    pub(crate) origin: Box<str>,
}

impl Credentials for Bearer {
    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn origin(&self) -> &str {
        &self.origin
    }
}

/// From where a request is, as [`begin`] said.
pub(crate) fn origin(headers: &HeaderMap) -> Box<str> {
    let value = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().into()
}

/// A request that is written down when it is over; also when nobody waits for its end any more.
pub(crate) struct Audited {
    handle: Handle,
    bearer: Bearer,
    what: String,
    on: String,
    is_told: bool,
}

/// Says beside a request from where it is, whatever it says itself; and keeps what is to be written down of
/// it, if it is about the cluster. Nothing, where there is no audit log.
pub(crate) fn begin<B>(
    handle: &Handle,
    guest: Option<&std::sync::Arc<Guest>>,
    request: &mut Request<B>,
) -> Option<Audited> {
    if !handle.audit_log().is_on() {
        return None;
    }
    let from = guest.map(|guest| guest.from());
    match from.and_then(|from| HeaderValue::from_str(from).ok()) {
        Some(from) => drop(request.headers_mut().insert(ORIGIN, from)),
        None => drop(request.headers_mut().remove(ORIGIN)),
    }
    let (method, path) = (request.method(), request.uri().path());
    let token = if MANAGEMENT.contains(&path) {
        metadata::token(request.headers())
    } else if crate::consul::is_management(method.as_str(), path) {
        crate::consul::token(request.headers(), request.uri().query())
    } else {
        return None;
    };
    let keyspace = request.headers().get(metadata::KEYSPACE);
    let keyspace = keyspace.and_then(|value| value.to_str().ok()).unwrap_or_default();
    Some(Audited {
        handle: handle.clone(),
        bearer: Bearer { token, origin: origin(request.headers()) },
        what: format!("{method} {path}"),
        on: keyspace.to_owned(),
        is_told: false,
    })
}

impl Audited {
    /// What a method says by itself that it is about to do; nothing, where there is no audit log.
    pub(crate) fn of(handle: &Handle, bearer: Bearer, what: String, on: String) -> Option<Self> {
        let is_on = handle.audit_log().is_on();
        is_on.then(|| Self { handle: handle.clone(), bearer, what, on, is_told: false })
    }

    /// With the head of its answer.
    pub(crate) fn end(self, head: &Parts) {
        let grpc = head.headers.get("grpc-status").and_then(|status| status.to_str().ok());
        match grpc {
            Some("0") => self.tell(OK),
            Some(status) => self.tell(&format!("gRPC status {status}")),
            None if head.status.is_success() => self.tell(OK),
            None => self.tell(&format!("HTTP status {}", head.status.as_u16())),
        }
    }

    /// With the status of a method that says so by itself.
    pub(crate) fn tell_status(self, status: Option<&tonic::Status>) {
        match status {
            None => self.tell(OK),
            Some(status) => self.tell(&format!("gRPC status {}", i32::from(status.code()))),
        }
    }

    /// With its outcome.
    fn tell(mut self, outcome: &str) {
        self.is_told = true;
        self.handle.audit_management(&self.bearer, &self.what, &self.on, outcome);
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if !self.is_told {
            self.handle.audit_management(&self.bearer, &self.what, &self.on, UNKNOWN);
        }
    }
}
