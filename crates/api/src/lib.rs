//! The front doors of a node. They translate what clients say into requests to [`node::Handle`], and
//! its answers and errors back; nothing is decided here.

mod authority;
mod crowd;
pub mod error;
pub mod etcd;
mod front;
pub mod http;
mod metadata;
mod metrics;
pub mod native;
mod serve;
mod stats;

pub use front::Front;
pub use serve::{serve_clients, serve_http};
