//! Sharded keyspaces on a node: which of its regions a request goes to, regions that are born of others,
//! and having them split. `docs/architecture/region.md` tells how a split works.

mod balance;
mod birth;
mod drive;
mod measure;
mod propose;
mod read;
mod route;

pub(crate) use balance::balance;
pub(crate) use birth::{Born, claim, hold, may_begin, publish, tell_watches};
pub(crate) use drive::drive;
pub(crate) use propose::propose;
pub(crate) use read::{range, txn};
pub(crate) use route::{Sharding, has_leaders};
