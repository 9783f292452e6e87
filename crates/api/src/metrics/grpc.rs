//! Calls by method and code, under the names of Go's gRPC, and what etcd counts beside them.

use tonic::Code;

use super::text::{Kind::Counter, Text};
use crate::calls::{METHODS, RECEIVED, SENT};

/// Every code, in gRPC's order, by the name Go gives it.
const CODES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "Canceled"),
    (Code::Unknown, "Unknown"),
    (Code::InvalidArgument, "InvalidArgument"),
    (Code::DeadlineExceeded, "DeadlineExceeded"),
    (Code::NotFound, "NotFound"),
    (Code::AlreadyExists, "AlreadyExists"),
    (Code::PermissionDenied, "PermissionDenied"),
    (Code::ResourceExhausted, "ResourceExhausted"),
    (Code::FailedPrecondition, "FailedPrecondition"),
    (Code::Aborted, "Aborted"),
    (Code::OutOfRange, "OutOfRange"),
    (Code::Unimplemented, "Unimplemented"),
    (Code::Internal, "Internal"),
    (Code::Unavailable, "Unavailable"),
    (Code::DataLoss, "DataLoss"),
    (Code::Unauthenticated, "Unauthenticated"),
];

pub(super) fn write(text: &mut Text) {
    let started = "grpc_server_started_total";
    text.family(started, Counter, "Calls that came, by method.");
    for method in &METHODS {
        let labels = labels(method.kind, method.service, method.name);
        text.value(started, &labels, method.started());
    }
    let handled = "grpc_server_handled_total";
    text.family(handled, Counter, "Calls that ended, by method and code.");
    for method in &METHODS {
        for (code, name) in CODES {
            let count = method.handled(code);
            // Most never happen; what went well is there from the start, so that rates begin at 0.
            if count > 0 || code == Code::Ok {
                let [kind, service, method] = labels(method.kind, method.service, method.name);
                text.value(handled, &[("grpc_code", name), method, service, kind], count);
            }
        }
    }
    let families = [
        (
            "etcd_network_client_grpc_received_bytes_total",
            "Bytes that clients sent.",
            RECEIVED.get(),
        ),
        ("etcd_network_client_grpc_sent_bytes_total", "Bytes that clients were sent.", SENT.get()),
        ("etcd_mvcc_range_total", "Ranges that this node's clients read.", done("Range")),
        ("etcd_mvcc_put_total", "Puts of this node's clients.", done("Put")),
        ("etcd_mvcc_delete_total", "Deletes of this node's clients.", done("DeleteRange")),
        ("etcd_mvcc_txn_total", "Transactions of this node's clients.", done("Txn")),
        ("etcd_debugging_lease_granted_total", "Leases given to its clients.", done("LeaseGrant")),
        ("etcd_debugging_lease_revoked_total", "Leases its clients ended.", done("LeaseRevoke")),
    ];
    families.into_iter().for_each(|(name, help, count)| text.one(name, Counter, help, count));
}

fn labels(
    kind: &'static str,
    service: &'static str,
    name: &'static str,
) -> [(&'static str, &'static str); 3] {
    [("grpc_type", kind), ("grpc_service", service), ("grpc_method", name)]
}

/// Calls of a method that went well.
fn done(name: &str) -> u64 {
    let method = METHODS.iter().find(|method| method.name == name);
    method.map_or(0, |method| method.handled(Code::Ok))
}
