//! The transport over real loopback sockets.

mod bootstrap;
mod lanes;
mod links;
mod memory;
mod snapshots;
mod world;
