//! The write-ahead log.

pub(crate) mod bed;
mod crash;
mod damage;
mod format;
pub(crate) mod model;
mod names;
mod reclaim;
mod semantics;
