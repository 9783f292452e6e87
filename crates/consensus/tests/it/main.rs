//! The replica from outside: a small deterministic cluster, its rules, and hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on is to end")]

mod cluster;
mod conf;
mod craft;
mod elections;
mod hostile;
mod memory;
mod naps;
mod orphans;
mod random;
mod reads;
mod replication;
mod rules;
mod snapshots;
mod transcript;
