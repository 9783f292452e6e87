//! `hiraeth.v1.Config`: configurations over the keys of the keyspace `config`. What is kept where, and which
//! transaction makes which change, is said by the crate `configuration`; all of it is asked of the node
//! in the caller's name, so rights are those on the keys.

mod convert;
mod door;
mod gray;
mod reads;
mod releases;
mod schemas;
mod service;
mod watch;

pub(crate) use convert::content_type;
pub(crate) use service::ConfigService;
