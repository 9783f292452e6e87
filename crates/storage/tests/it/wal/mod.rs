//! The write-ahead log.

mod bed;
mod crash;
mod damage;
mod model;
mod reclaim;
mod semantics;
