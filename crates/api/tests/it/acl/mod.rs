//! Consul's ACL, at every door.

mod ask;
mod audit;
mod doors;
mod every_route;
mod requests;
