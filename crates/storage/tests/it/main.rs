//! What storage promises, tested through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod engine;
mod fault_disk;
mod snapshot;
mod wal;
