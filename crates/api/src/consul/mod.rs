//! Consul's API, as unmodified clients speak it: HTTP under `/v1/`. Every server answers for all of the
//! registry; there is no agent that something belongs to.

mod agent;
mod answer;
mod asked;
mod catalog;
mod definition;
mod duration;
pub(crate) mod filter;
mod health;
mod home;
mod input;
mod kv;
mod parameters;
mod problem;
mod routes;
mod serve;
mod session;
mod show;
mod status;

pub(crate) use home::Home;
pub(crate) use serve::Consul;
