//! A gateway: a process without data that clients connect to as to a member, so that connections, watches
//! and subscriptions scale apart from the nodes that keep the data. It passes on what clients say, keeps
//! together what many of them want of the members, and decides nothing.

mod config;
mod dns;
mod doors;
mod gateway;
mod leases;
mod members;
mod metrics;
mod passing;
mod queries;
mod registry;
mod words;

pub use config::{Config, ConfigError};
pub use dns::{DnsSockets, DnsZone};
pub use gateway::Gateway;
