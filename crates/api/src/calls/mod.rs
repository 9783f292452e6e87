//! Calls and bytes of this process' clients, counted for `/metrics`. Requests pass here, so a count is
//! one relaxed addition, and nothing is looked up but the method's name.

mod body;
mod bytes;
mod table;
mod traced;

pub(crate) use bytes::{Counted, RECEIVED, SENT};
pub(crate) use table::{Call, METHODS, start};
pub(crate) use traced::Traced;
