//! Where clients connect.

mod connection;
mod own;
mod serve;
mod stalled;

pub(crate) use own::own;
pub(crate) use serve::serve;
