//! Tests of the node crate through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cluster;
mod machines;
mod transport;
