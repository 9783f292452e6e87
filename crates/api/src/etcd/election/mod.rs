//! etcd's `Election`.

mod observe;
mod service;

pub use service::ElectionService;
