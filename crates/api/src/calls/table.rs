use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::{HeaderMap, Response};
use spans::Trace;
use tonic::body::Body;
use tonic::{Code, Status};

use super::body::Ending;
use super::traced::Traced;
use crate::guests::{Guest, Seat};

/// gRPC's codes are 0 to 16.
const CODES: usize = 17;

/// What is known of the calls of one method.
pub(crate) struct Method {
    /// As `/metrics` names the service.
    pub(crate) service: &'static str,
    /// The method's own name.
    pub(crate) name: &'static str,
    /// gRPC's name for its kind.
    pub(crate) kind: &'static str,
    path: &'static str,
    started: AtomicU64,
    handled: [AtomicU64; CODES],
}

impl Method {
    /// Where it is called.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// Calls that came.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Calls that ended so.
    pub(crate) fn handled(&self, code: Code) -> u64 {
        self.handled.get(code as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// A call under way. One that is dropped was cancelled.
pub(crate) struct Call {
    method: Option<&'static Method>,
    /// What a stream or a waiting call takes up of its connection.
    seat: Option<Seat>,
    /// Whether the request has no end that is to come soon.
    open_ended: bool,
    /// Its span, if it is traced.
    traced: Option<Box<Traced>>,
}

/// The call at `path` begins.
///
/// # Errors
/// `ResourceExhausted` for one stream too many on a connection.
pub(crate) fn start(path: &str, guest: Option<&Arc<Guest>>) -> Result<Call, Status> {
    let method = METHODS.iter().find(|method| method.path == path);
    let Some(method) = method else {
        // JSON tells its streams from the rest by itself; gRPC's own protocols have streams only.
        let open_ended = path.starts_with("/v3/")
            || path.starts_with("/grpc.")
            || path == "/hiraeth.v1.Registry/Open";
        return Ok(Call { method: None, seat: None, open_ended, traced: None });
    };
    method.started.fetch_add(1, Ordering::Relaxed);
    let open_ended = method.kind == BOTH;
    let mut call = Call { method: Some(method), seat: None, open_ended, traced: None };
    if method.kind != UNARY || WAITING.contains(&path) {
        match guest.map(Guest::sit).transpose() {
            Ok(seat) => call.seat = seat,
            Err(status) => {
                call.ended(status.code());
                return Err(status);
            }
        }
    }
    Ok(call)
}

impl Call {
    /// Whether more of the request may come at any time.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// It is traced, or not.
    pub(crate) fn trace(&mut self, traced: Option<Traced>) {
        self.traced = traced.map(Box::new);
    }

    /// Under which the work for it is told, if it is traced.
    pub(crate) fn traced(&self) -> Option<&Trace> {
        self.traced.as_deref().map(Traced::trace)
    }

    /// Counts how the call ended; a stream has not, before its answers have.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        let Some(method) = self.method else {
            match self.traced.take_if(|traced| !traced.is_grpc()) {
                Some(traced) => traced.answered(response.status()),
                None if self.traced.is_none() => {}
                None => match code_of(response.headers()) {
                    Some(code) => self.ended(code),
                    None => return response.map(|body| self.end_with(body)),
                },
            }
            return response;
        };
        if let Some(code) = code_of(response.headers()) {
            self.ended(code);
            return response;
        }
        if method.kind == UNARY {
            self.ended(Code::Ok);
            return response;
        }
        response.map(|body| self.end_with(body))
    }

    fn end_with(self, body: Body) -> Body {
        Body::new(Ending { body, call: Some(self) })
    }

    /// It ended so.
    pub(crate) fn ended(mut self, code: Code) {
        self.count(code);
    }

    fn count(&mut self, code: Code) {
        if let Some(count) = self.method.take().and_then(|it| it.handled.get(code as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.seat = None;
        if let Some(traced) = self.traced.take() {
            traced.ended(code);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.count(Code::Cancelled);
    }
}

/// The status in headers or trailers.
pub(super) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// Answered once, but perhaps much later.
const WAITING: [&str; 2] = ["/v3lockpb.Lock/Lock", "/v3electionpb.Election/Campaign"];
const UNARY: &str = "unary";
const BOTH: &str = "bidi_stream";
const SERVER: &str = "server_stream";
const KV: &str = "etcdserverpb.KV";
const WATCH: &str = "etcdserverpb.Watch";
const LEASE: &str = "etcdserverpb.Lease";
const CLUSTER: &str = "etcdserverpb.Cluster";
const MAINTENANCE: &str = "etcdserverpb.Maintenance";
const AUTH: &str = "etcdserverpb.Auth";
const LOCK: &str = "v3lockpb.Lock";
const ELECTION: &str = "v3electionpb.Election";

const fn method(
    path: &'static str,
    service: &'static str,
    name: &'static str,
    kind: &'static str,
) -> Method {
    Method {
        service,
        name,
        kind,
        path,
        started: AtomicU64::new(0),
        handled: [const { AtomicU64::new(0) }; CODES],
    }
}

/// etcd's methods, the frequent ones first.
pub(crate) static METHODS: [Method; 48] = [
    method("/etcdserverpb.KV/Range", KV, "Range", UNARY),
    method("/etcdserverpb.KV/Put", KV, "Put", UNARY),
    method("/etcdserverpb.KV/Txn", KV, "Txn", UNARY),
    method("/etcdserverpb.KV/DeleteRange", KV, "DeleteRange", UNARY),
    method("/etcdserverpb.KV/Compact", KV, "Compact", UNARY),
    method("/etcdserverpb.Watch/Watch", WATCH, "Watch", BOTH),
    method("/etcdserverpb.Lease/LeaseKeepAlive", LEASE, "LeaseKeepAlive", BOTH),
    method("/etcdserverpb.Lease/LeaseGrant", LEASE, "LeaseGrant", UNARY),
    method("/etcdserverpb.Lease/LeaseRevoke", LEASE, "LeaseRevoke", UNARY),
    method("/etcdserverpb.Lease/LeaseTimeToLive", LEASE, "LeaseTimeToLive", UNARY),
    method("/etcdserverpb.Lease/LeaseLeases", LEASE, "LeaseLeases", UNARY),
    method("/etcdserverpb.Cluster/MemberList", CLUSTER, "MemberList", UNARY),
    method("/etcdserverpb.Cluster/MemberAdd", CLUSTER, "MemberAdd", UNARY),
    method("/etcdserverpb.Cluster/MemberRemove", CLUSTER, "MemberRemove", UNARY),
    method("/etcdserverpb.Cluster/MemberUpdate", CLUSTER, "MemberUpdate", UNARY),
    method("/etcdserverpb.Cluster/MemberPromote", CLUSTER, "MemberPromote", UNARY),
    method("/etcdserverpb.Maintenance/Status", MAINTENANCE, "Status", UNARY),
    method("/etcdserverpb.Maintenance/Alarm", MAINTENANCE, "Alarm", UNARY),
    method("/etcdserverpb.Maintenance/Defragment", MAINTENANCE, "Defragment", UNARY),
    method("/etcdserverpb.Maintenance/Hash", MAINTENANCE, "Hash", UNARY),
    method("/etcdserverpb.Maintenance/HashKV", MAINTENANCE, "HashKV", UNARY),
    method("/etcdserverpb.Maintenance/Snapshot", MAINTENANCE, "Snapshot", SERVER),
    method("/etcdserverpb.Maintenance/MoveLeader", MAINTENANCE, "MoveLeader", UNARY),
    method("/etcdserverpb.Maintenance/Downgrade", MAINTENANCE, "Downgrade", UNARY),
    method("/etcdserverpb.Auth/Authenticate", AUTH, "Authenticate", UNARY),
    method("/etcdserverpb.Auth/AuthEnable", AUTH, "AuthEnable", UNARY),
    method("/etcdserverpb.Auth/AuthDisable", AUTH, "AuthDisable", UNARY),
    method("/etcdserverpb.Auth/AuthStatus", AUTH, "AuthStatus", UNARY),
    method("/etcdserverpb.Auth/UserAdd", AUTH, "UserAdd", UNARY),
    method("/etcdserverpb.Auth/UserGet", AUTH, "UserGet", UNARY),
    method("/etcdserverpb.Auth/UserList", AUTH, "UserList", UNARY),
    method("/etcdserverpb.Auth/UserDelete", AUTH, "UserDelete", UNARY),
    method("/etcdserverpb.Auth/UserChangePassword", AUTH, "UserChangePassword", UNARY),
    method("/etcdserverpb.Auth/UserGrantRole", AUTH, "UserGrantRole", UNARY),
    method("/etcdserverpb.Auth/UserRevokeRole", AUTH, "UserRevokeRole", UNARY),
    method("/etcdserverpb.Auth/RoleAdd", AUTH, "RoleAdd", UNARY),
    method("/etcdserverpb.Auth/RoleGet", AUTH, "RoleGet", UNARY),
    method("/etcdserverpb.Auth/RoleList", AUTH, "RoleList", UNARY),
    method("/etcdserverpb.Auth/RoleDelete", AUTH, "RoleDelete", UNARY),
    method("/etcdserverpb.Auth/RoleGrantPermission", AUTH, "RoleGrantPermission", UNARY),
    method("/etcdserverpb.Auth/RoleRevokePermission", AUTH, "RoleRevokePermission", UNARY),
    method("/v3lockpb.Lock/Lock", LOCK, "Lock", UNARY),
    method("/v3lockpb.Lock/Unlock", LOCK, "Unlock", UNARY),
    method("/v3electionpb.Election/Campaign", ELECTION, "Campaign", UNARY),
    method("/v3electionpb.Election/Proclaim", ELECTION, "Proclaim", UNARY),
    method("/v3electionpb.Election/Leader", ELECTION, "Leader", UNARY),
    method("/v3electionpb.Election/Observe", ELECTION, "Observe", SERVER),
    method("/v3electionpb.Election/Resign", ELECTION, "Resign", UNARY),
];

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;
    use tonic::Code;

    use super::{BOTH, METHODS, SERVER, UNARY, start};

    #[test]
    fn the_table_is_that_of_the_descriptors() {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
        let is_etcds = |name: &str| name.starts_with("etcdserverpb.") || name.starts_with("v3");
        let mut count = 0;
        for service in pool.services().filter(|service| is_etcds(service.full_name())) {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let known = METHODS.iter().find(|known| known.path == path);
                let known = known.unwrap_or_else(|| panic!("{path} is not counted"));
                let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
                    (false, false) => UNARY,
                    (false, true) => SERVER,
                    _ => BOTH,
                };
                assert_eq!(
                    (known.service, known.name, known.kind),
                    (service.full_name(), method.name(), kind)
                );
                count += 1;
            }
        }
        assert_eq!(count, METHODS.len());
    }

    #[test]
    fn who_drops_a_call_has_cancelled_it() {
        let path = "/etcdserverpb.Maintenance/Downgrade";
        let method = METHODS.iter().find(|method| method.path == path).unwrap();
        let before = (method.started(), method.handled(Code::Cancelled));
        drop(start(path, None));
        assert_eq!(
            (method.started(), method.handled(Code::Cancelled)),
            (before.0 + 1, before.1 + 1)
        );
        drop(start("/nobody", None));
    }
}
