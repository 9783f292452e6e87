//! The write-ahead log.

mod bed;
mod crash;
mod model;
