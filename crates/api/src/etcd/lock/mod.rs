//! etcd's `Lock`.

mod service;

pub use service::LockService;
