//! The replica from outside: a small deterministic cluster, its rules, and hostile input.

mod cluster;
mod conf;
mod craft;
mod elections;
mod random;
mod reads;
mod replication;
mod rules;
mod snapshots;
