//! `hiraeth.v1.Registry`: the registry in its own words. One stream carries what a client registers, its
//! beats, what it subscribes to, and what it is pushed.

mod codec;
mod connect;
mod convert;
mod frame;
mod operations;
mod queries;
mod service;
mod writes;

pub(crate) use service::RegistryService;
