//! Users and rights, at every door.

mod every_method;
mod every_path;
mod needs;
mod open_streams;
mod raw;

pub(crate) use every_method::{every_root_method, refusal};
pub(crate) use needs::{Needs, about_key, table};
pub(crate) use raw::{Tokens, Way, call, users};
