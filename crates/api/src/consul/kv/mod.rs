//! `/v1/kv`: the keys of the registry's keyspace. An etcd client that names that keyspace
//! sees the same ones.

mod change;
mod read;
mod show;
mod wait;

pub(super) use change::{delete, put};
pub(super) use read::get;
pub(super) use show::record;
