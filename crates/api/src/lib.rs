//! The front doors of a node. They translate what clients say into requests to [`node::Handle`], and
//! its answers and errors back; nothing is decided here.

mod audit;
mod backup;
pub mod calendar;
mod calls;
mod configuration;
mod connection;
mod console;
mod consul;
mod dns;
mod door;
mod elsewhere;
pub mod error;
pub mod etcd;
mod front;
mod gateway;
mod guard;
mod guests;
mod health;
pub mod http;
mod metadata;
mod metrics;
pub mod monitor;
pub mod native;
mod ready;
mod recorder;
mod reflection;
mod registry;
mod serve;
mod services;
mod stats;
mod waiting;
mod web;

pub use dns::{DnsSockets, Zone, ZoneError, serve_dns};
pub use door::Door;
pub use front::Front;
pub use serve::{serve_clients, serve_http};
