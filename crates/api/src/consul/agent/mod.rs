//! `/v1/agent`: what a node of Consul's offers to the programs on it. Every server here does, for all:
//! it takes registrations, beats and farewells for whatever is registered with any of them.

mod check;
mod health;
mod maintenance;
mod monitor;
mod own;
mod place;
mod register;
mod service;

pub(super) use check::{checks, deregister_check, fail, pass, register_check, update, warn};
pub(super) use health::{service_by_id, service_by_name};
pub(super) use maintenance::{node_maintenance, service_maintenance};
pub(super) use monitor::monitor;
pub(super) use own::{
    force_leave, host_info, join, leave, members, metrics, reload, self_, version,
};
pub(super) use register::{deregister, register};
pub(super) use service::{service, services};
