//! The messages and services on the wire, generated from `proto/`. What etcd has is compatible with
//! etcd v3 (3.6) field by field; what is ours is in `hiraeth`.

#[allow(clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod peer;

/// Every file's descriptor, as an encoded `FileDescriptorSet`: for what reads messages by their names.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($(#[$doc:meta])* $name:ident, $package:literal) => {
        $(#[$doc])*
        #[allow(
            missing_docs,
            unreachable_pub,
            unused_lifetimes,
            elided_lifetimes_in_paths,
            clippy::all,
            clippy::allow_attributes_without_reason,
            reason = "generated code"
        )]
        pub mod $name {
            tonic::include_proto!($package);
        }
    };
}

generated!(
    /// Users, roles, permissions.
    authpb, "authpb"
);
generated!(
    /// etcd's services `KV`, `Watch`, `Lease`, `Cluster`, `Maintenance`, `Auth`.
    etcdserverpb, "etcdserverpb"
);
generated!(
    /// Records and events.
    mvccpb, "mvccpb"
);
generated!(
    /// etcd's election service.
    v3electionpb, "v3electionpb"
);
generated!(
    /// etcd's lock service.
    v3lockpb, "v3lockpb"
);

/// Whether a server, or one service of it, can do its work: gRPC's own protocol for that.
pub mod grpc {
    /// `grpc.health`.
    pub mod health {
        generated!(
            /// `grpc.health.v1`.
            v1, "grpc.health.v1"
        );
    }
}

/// Hiraeth's own protocols.
pub mod hiraeth {
    generated!(
        /// Keyspaces and node status.
        v1, "hiraeth.v1"
    );
}

/// What a collector of OpenTelemetry takes.
pub mod otlp {
    generated!(
        /// Traces: what of OTLP 1.x is said here.
        traces, "opentelemetry.proto.collector.trace.v1"
    );
}
