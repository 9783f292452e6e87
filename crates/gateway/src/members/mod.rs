//! The cluster's members, and the connections to them that all clients share.

mod all;
mod channel;
mod lane;
mod member;
mod probe;

pub(crate) use all::Members;
pub(crate) use channel::Channel;
pub(crate) use lane::Seat;
pub(crate) use member::{Member, Standing};
