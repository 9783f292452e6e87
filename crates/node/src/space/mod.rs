//! The room on the disk: watched, so that the node stops taking writes before a full disk stops it.

mod room;
#[cfg(test)]
mod tests;
mod watch;
mod writes;

pub use room::{Room, Space};
pub(crate) use watch::watch;
pub(crate) use writes::needs_room;
