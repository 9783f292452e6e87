//! A deterministic simulation of three nodes: the real consensus, regions, log, machine and
//! snapshots on a clock, a disk and a network that one seed decides. The chapter is
//! `docs/architecture/simulation.md`.

mod atlas;
mod client;
mod counts;
mod cut;
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of crate storage share this file and use all of it; offsets of a disk in \
              memory fit its addresses"
)]
mod disk;
mod ending;
mod engine;
mod event;
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the node's own file: the clock that ends leases is simulated, not imitated, and crate \
              node would bring the network stack with it"
)]
#[path = "../../node/src/lease/clock.rs"]
mod lease;
mod membership;
mod mutant;
mod nemesis;
mod network;
mod node;
mod oracle;
mod partition;
mod queue;
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the node's own clock and waits of a registry are simulated, not imitated"
)]
mod registry;
mod roster;
mod scenario;
mod serving;
mod shrink;
mod sky;
mod stand;
mod trace;
mod transfer;
mod waiter;
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "the node's own watches: what is told to whom is simulated, not imitated"
)]
#[path = "../../node/src/watch/mod.rs"]
mod watch;
mod watcher;
mod world;

pub use counts::Counts;
pub use cut::{Cut, SWARMS_FROM, swarm};
pub use mutant::Mutant;
pub use scenario::Scenario;
pub use serving::p99 as served_at_p99;
pub use shrink::{Small, shrink};
pub use sky::Failure;
pub use world::{Plan, Report, run};
