//! A gateway in front of real nodes, and real clients in front of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod calls;
mod cluster;
mod dns;
mod failover;
mod leases;
mod queries;
mod registry;
