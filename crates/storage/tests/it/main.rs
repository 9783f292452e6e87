//! What storage promises, tested through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod engine;
// The simulator's disk: one model of what a disk may do, not two.
#[allow(dead_code, reason = "each of the two uses what it needs")]
#[path = "../../../sim/src/disk/mod.rs"]
mod fault_disk;
mod log;
mod snapshot;
mod wal;
