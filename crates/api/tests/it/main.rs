//! The front doors of a real node, over a real socket.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod authority;
mod freshness;
mod kv;
mod leaderless;
mod metrics;
mod raw;
mod server;
mod watch;
