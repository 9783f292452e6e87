//! Consul's API, as unmodified clients speak it: HTTP under `/v1/`. Every server answers for all of the
//! registry; there is no agent that something belongs to.

mod acl;
mod agent;
mod answer;
mod asked;
mod autopilot;
mod catalog;
mod config;
mod coordinate;
mod definition;
mod duration;
mod event;
pub(crate) mod filter;
mod health;
mod home;
mod input;
mod kept;
mod kv;
mod operator;
mod parameters;
mod problem;
mod query;
mod routes;
mod serve;
mod session;
mod show;
mod snapshot;
mod status;
mod txn;

pub(crate) use home::Home;
pub(crate) use routes::{is_management, route};
pub(crate) use serve::{Consul, token_of as token};
