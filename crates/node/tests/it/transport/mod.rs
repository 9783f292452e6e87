//! The transport over real loopback sockets.

mod bootstrap;
mod links;
mod memory;
mod snapshots;
mod world;
