//! `/v1/kv` and `/v1/txn`: the keys of the registry's keyspace. An etcd client that names that keyspace
//! sees the same ones.

mod change;
mod read;
mod show;
mod txn;
mod wait;

pub(super) use change::{delete, put};
pub(super) use read::get;
pub(super) use txn::txn;
