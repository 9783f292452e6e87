//! The front doors of a real node, over a real socket.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod acl;
mod auth;
mod authority;
mod configuration;
mod console;
mod consul;
mod dns;
mod freshness;
mod gateway;
mod guests;
mod health;
mod kv;
mod leaderless;
mod metrics;
mod queue;
mod raw;
mod registry;
mod server;
mod traces;
mod watch;
mod web;
