//! The room on the disk: watched, so that the node stops taking writes before a full disk stops it.

mod room;
#[cfg(test)]
mod tests;
mod watch;
mod writes;

pub use room::{MemoryRoom, Room, Space};
pub(crate) use watch::watch;
pub(crate) use writes::must_have_room;
#[cfg(test)]
use writes::needs_room;
