//! What a host promises its driver, tested with hosts that talk to one another in one thread.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod bed;
mod commits;
mod forsaken;
mod lease;
mod membership;
mod memory;
mod pressure;
mod proposals;
mod quarantine;
mod reads;
mod refusals;
mod sleep;
mod storms;
mod world;
