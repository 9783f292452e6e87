//! `hiraeth.v1.Registry/Open`, which ends here: what many clients want of a member is asked for once.

mod beats;
mod copy;
mod door;
mod feed;
mod frame;
mod hub;
mod hubs;
mod mailbox;
mod session;
mod upstream;

pub(crate) use door::{is_open, open};
pub(crate) use hubs::Hubs;
