//! Whole nodes in one process: real files, real sockets, real threads.

mod catch_up;
mod desk;
mod failover;
mod half_installed;
mod history;
mod hot;
mod keyspaces;
mod leases;
mod levels;
mod limits;
mod liveness;
mod members;
mod moves;
mod observers;
mod proxy;
mod read_modes;
mod reads;
mod refused;
mod registry;
mod renewals;
mod restarts;
mod sharded_registry;
mod sleep;
mod splits;
mod transfer;
pub(crate) mod world;
