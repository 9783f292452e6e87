//! etcd's `Maintenance`: hashes, snapshots in etcd's own file format, alarms, status.

mod alarm;
mod downgrade;
mod hash;
mod service;
mod snapshot;
mod status;
mod stored;

pub use service::MaintenanceService;
