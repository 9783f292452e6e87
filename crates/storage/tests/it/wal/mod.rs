//! The write-ahead log.

mod bed;
mod crash;
mod damage;
mod format;
mod model;
mod reclaim;
mod semantics;
