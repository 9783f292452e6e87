//! Nothing of its own: `tests/` uses a cluster by the crate `etcd-client`.
