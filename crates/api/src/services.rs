//! The names of the services on the client port.

/// Every service that [`crate::Front`] serves, by its full name.
pub(crate) const ALL: [&str; 14] = [
    "etcdserverpb.Auth",
    "etcdserverpb.Cluster",
    "etcdserverpb.KV",
    "etcdserverpb.Lease",
    "etcdserverpb.Maintenance",
    "etcdserverpb.Watch",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "hiraeth.v1.Config",
    "hiraeth.v1.Keyspaces",
    "hiraeth.v1.Node",
    "v3electionpb.Election",
    "v3lockpb.Lock",
];
