//! etcd's services over [`node::Handle`].

mod auth;
mod cluster;
pub mod convert;
mod election;
pub(crate) mod kv;
mod lease;
mod lock;
mod maintenance;
mod queue;
mod watch;

pub use auth::AuthService;
pub use cluster::ClusterService;
pub use election::ElectionService;
pub use kv::KvService;
pub use lease::LeaseService;
pub use lock::LockService;
pub use maintenance::MaintenanceService;
pub use watch::WatchService;

/// The etcd whose behaviour clients can expect; clients switch features on by it.
pub const VERSION: &str = "3.6.5";
/// The same, as a cluster's agreed version.
pub const CLUSTER_VERSION: &str = "3.6.0";

/// Bytes a message may be longer than the largest request before it is not even read (etcd's
/// `grpcOverheadBytes`).
pub const OVERHEAD_BYTES: usize = 512 * 1024;
