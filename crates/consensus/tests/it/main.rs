//! The replica from outside: a small deterministic cluster, its rules, and hostile input.

mod cluster;
mod elections;
