//! What one client may take up, and the log that names whoever wants more.
//!
//! Every bound here is far beyond what clients in order do: who reaches one is broken or means harm, and
//! the operator should learn who it is. So each is said with the peer's address, but not more often than
//! once in ten seconds, however many there are.

mod complaint;
mod files;
mod guest;
mod half;
mod stalled;

pub(crate) use complaint::{BROKEN, CONNECTIONS, HALF, TLS_HERE, UNREAD};
pub(crate) use files::turned_away;
pub(crate) use guest::{Guest, Seat};
pub(crate) use half::Whole;
pub(crate) use stalled::Watched;
