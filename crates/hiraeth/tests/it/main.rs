//! The real program, end to end: servers as processes on loopback, the command line tool, and the
//! Rust client against both. Nothing here waits for a time to pass; what must become true is asked
//! for until a deadline that only a fault reaches.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod acl;
mod acl_login;
mod backup;
mod backup_history;
mod bad_input;
mod bench;
mod chains;
mod commands;
mod configuration;
mod damage;
mod disk;
mod failover;
mod flight;
mod following;
mod freshness;
mod holding;
mod hostile;
mod http;
mod incremental;
mod keys;
mod leave;
mod line;
mod lives;
mod once;
mod ports;
mod program;
mod refused;
mod replace;
mod reset;
mod restored;
mod sdk;
mod server;
mod sharded;
mod silence;
mod single;
mod three;
mod tls;
mod users;
mod watching;
mod wide;
mod wire;
