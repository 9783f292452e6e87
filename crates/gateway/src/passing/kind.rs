use std::collections::BTreeMap;

use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use prost::Message;
use prost_types::FileDescriptorSet;

/// What is known of a request before it is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// One message, one answer, soon.
    Unary,
    /// One message; the answer, or its end, may come much later.
    Waiting,
    /// More of the request may come at any time.
    Open,
}

impl Kind {
    /// Whether it ends soon.
    pub(crate) fn is_short(self) -> bool {
        self == Self::Unary
    }
}

/// Answered once, but perhaps much later.
const WAITING: [&str; 2] = ["/v3lockpb.Lock/Lock", "/v3electionpb.Election/Campaign"];

/// Methods that change nothing, and whose answer does not depend on the member.
const READS: [&str; 18] = [
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.Lease/LeaseTimeToLive",
    "/etcdserverpb.Lease/LeaseLeases",
    "/etcdserverpb.Cluster/MemberList",
    "/etcdserverpb.Auth/UserGet",
    "/etcdserverpb.Auth/UserList",
    "/etcdserverpb.Auth/RoleGet",
    "/etcdserverpb.Auth/RoleList",
    "/v3electionpb.Election/Leader",
    "/hiraeth.v1.Registry/Find",
    "/hiraeth.v1.Registry/Services",
    "/hiraeth.v1.Config/Get",
    "/hiraeth.v1.Config/GetVersion",
    "/hiraeth.v1.Config/List",
    "/hiraeth.v1.Config/History",
    "/hiraeth.v1.Config/Diff",
    "/hiraeth.v1.Config/GetSchema",
    "/hiraeth.v1.Config/GrayStatus",
];

/// Whether a request may be sent again whatever became of it.
pub(crate) fn is_read<B>(request: &Request<B>) -> bool {
    if is_grpc(request) {
        return READS.contains(&request.uri().path());
    }
    // By HTTP's own rules; Consul's API keeps to them. What waits would wait all of its time once more,
    // and its client does not.
    let is_safe = request.method() == Method::GET || request.method() == Method::HEAD;
    is_safe && !waits(request)
}

/// The kind of each method of gRPC that we know.
pub(crate) struct Kinds(BTreeMap<String, Kind>);

impl Kinds {
    /// As the `.proto` files say.
    pub(crate) fn new() -> Self {
        let files = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
        let mut kinds = BTreeMap::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let kind = match (method.client_streaming(), method.server_streaming()) {
                        (true, _) => Kind::Open,
                        (false, true) => Kind::Waiting,
                        (false, false) if WAITING.contains(&path.as_str()) => Kind::Waiting,
                        (false, false) => Kind::Unary,
                    };
                    kinds.insert(path, kind);
                }
            }
        }
        Self(kinds)
    }

    /// Of a request, whatever it speaks.
    pub(crate) fn of<B>(&self, request: &Request<B>) -> Kind {
        let path = request.uri().path();
        if is_grpc(request) {
            // What we do not know may be anything.
            return self.0.get(path).copied().unwrap_or(Kind::Open);
        }
        if path.starts_with("/v3/") {
            // Its streams have the paths of its calls.
            return Kind::Open;
        }
        let streams = path.starts_with("/v1/snapshot") || path.starts_with("/v1/agent/monitor");
        if waits(request) || streams { Kind::Waiting } else { Kind::Unary }
    }
}

/// Whether a request waits for another answer than that of an index.
fn waits<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|it| it.starts_with("index=") || it.starts_with("wait="))
}

/// Whether a request is gRPC.
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::{Kind, Kinds};

    #[test]
    fn the_kinds_are_those_of_the_proto_files() {
        let kinds = Kinds::new();
        let of = |path: &str, kind: &str| {
            kinds.of(&Request::get(path).header("content-type", kind).body(()).unwrap())
        };
        let grpc = |path| of(path, "application/grpc");
        assert_eq!(grpc("/etcdserverpb.KV/Txn"), Kind::Unary);
        assert_eq!(grpc("/etcdserverpb.Watch/Watch"), Kind::Open);
        assert_eq!(grpc("/etcdserverpb.Maintenance/Snapshot"), Kind::Waiting);
        assert_eq!(grpc("/v3lockpb.Lock/Lock"), Kind::Waiting);
        assert_eq!(grpc("/hiraeth.v1.Registry/Open"), Kind::Open);
        assert_eq!(grpc("/hiraeth.v1.Registry/Find"), Kind::Unary);
        assert_eq!(grpc("/nobody.Knows/It"), Kind::Open);
        assert_eq!(of("/v3/watch", "application/json"), Kind::Open);
        assert_eq!(of("/v1/kv/a?wait=3s&index=7", ""), Kind::Waiting);
        assert_eq!(of("/v1/kv/a?recurse", ""), Kind::Unary);
    }
}
